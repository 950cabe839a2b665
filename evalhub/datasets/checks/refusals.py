"""Outputs that refuse, or speak of themselves as a machine, in several languages.

Such a sentence is looked for at the beginning only: a story may well contain one. "As an AI researcher, I …" is none.
"""

import re

from evalhub.datasets.checks.text import Text

BEGINNING = 400  # characters
_SORRY_EN = r"(?:i['’]m (?:very |really |so )?sorry|i (?:do )?apologi[sz]e|my apologies|sorry|unfortunately)"
_CANNOT_EN = r"(?:cannot|can['’]t|can not|am unable to|['’]m unable to|am not able to|['’]m not able to|won['’]t)"
_HELP_EN = (
    r"(?:(?:assist|help)(?: you)? with (?:that|this|your request)|assist you|fulfil+|comply|"
    r"(?:answer|complete) (?:that|this|your)|generate (?:that|this|such)|engage in|provide (?:you with )?(?:that|this|"
    r"any|an answer|information|assistance|medical|legal|financial)|create (?:that|this|such) content|"
    r"(?:access|browse) (?:the internet|external|real[- ]time))"
)
_PATTERNS = {
    "English": (
        r"\bas an? (?:ai|artificial intelligence|(?:large )?language model)"
        r"(?: ?[- ](?:language|text|based|powered))*(?: (?:model|assistant|chatbot|bot|program|system|tool))?"
        r"(?: (?:developed|created|trained|made|designed) by [\w ]{1,30})?"
        r"(?:,| i\b| my\b)",
        r"\bas an? (?:virtual|digital) assistant,? (?:i|my)\b",
        rf"\A\W*(?:{_SORRY_EN}\b[^.\n]{{0,60}}?)?\bi ?{_CANNOT_EN} {_HELP_EN}",
        r"\bi(?: am|['’]m) (?:just |only )?an? (?:ai|(?:large )?language model|ai language model|ai assistant)"
        r"(?=[ ,.]*(?:and|so|,|\.|without|developed|created|trained))",
    ),
    "German": (
        r"\bals (?:ein |eine )?(?:ki|künstliche intelligenz|sprachmodell|(?:ki|ai)[- ](?:sprach)?modell|"
        r"(?:ki|ai)[- ]assistent(?:in)?|(?:ki|ai)[- ]system)(?:,| (?:kann|habe|bin|darf|besitze|verfüge|ist es mir)\b)",
        r"\A\W*(?:es tut mir leid|tut mir leid|entschuldigung|leider)\b[^.\n]{0,20}\b(?:kann ich|ich kann)\b"
        r"[^.\n]{0,60}\bnicht (?:helfen|beantworten|erfüllen|bereitstellen|weiterhelfen|nachkommen)",
    ),
    "French": (
        r"\ben tant qu(?:e |['’] ?)(?:ia|intelligence artificielle|assistante? (?:ia|virtuel(?:le)?)|"
        r"modèle (?:de langage|linguistique)(?: ia)?|(?:grand )?modèle de langage)(?:,| je\b)",
        r"\A\W*(?:je suis (?:vraiment )?désolée?|désolée?)\b[^.\n]{0,20}\bje ne (?:peux|suis) pas\b[^.\n]{0,30}"
        r"\b(?:aider|répondre à (?:cette|votre)|fournir|accéder à (?:cette|votre)|en mesure)",
    ),
    "Spanish": (
        r"\bcomo (?:una? )?(?:ia|inteligencia artificial|modelo de lenguaje(?: de ia)?|asistente (?:de ia|virtual))"
        r"(?:,| no (?:puedo|tengo)\b)",
        r"\A\W*(?:lo siento|lo lamento|disculpa)\b[^.\n]{0,20}\bno puedo (?:ayudar|proporcionar|cumplir|responder a "
        r"(?:esa|esta|tu|su)|generar ese|asistir)",
    ),
    "Italian": (
        r"\b(?:in quanto|come|essendo) (?:un['’]? ?|una )?(?:ia|intelligenza artificiale|modello (?:linguistico|di "
        r"linguaggio)|assistente (?:ai|ia|virtuale))(?:,| non (?:posso|ho)\b)",
        r"\A\W*(?:mi dispiace|spiacente|mi scuso)\b[^.\n]{0,20}\bnon posso (?:aiutar|fornire|soddisfare|rispondere a "
        r"(?:questa|tale)|assister)",
    ),
    "Dutch": (
        r"\bals (?:een )?(?:ai|kunstmatige intelligentie|taalmodel|ai[- ](?:taal)?model|ai[- ]assistent)"
        r"(?:,| (?:kan|heb|ben) ik\b)",
        r"\A\W*(?:het spijt me|sorry)\b[^.\n]{0,20}\bik kan (?:je|u)?[^.\n]{0,30}\bniet (?:helpen|beantwoorden)",
    ),
    "Portuguese": (
        r"\bcomo (?:uma? )?(?:ia|inteligência artificial|modelo de linguagem(?: de ia)?|assistente (?:de ia|virtual))"
        r"(?:,| (?:eu )?não (?:posso|tenho)\b)",
        r"\A\W*(?:desculpe|sinto muito|lamento)\b[^.\n]{0,20}\bnão posso (?:ajudar|fornecer|atender|cumprir)",
    ),
    "Chinese": (
        r"作为(?:一个|一款|一名)?(?:人工智能|ai|语言模型|大型语言模型)[^，。\n]{0,8}，?我",
        r"\A\W*(?:抱歉|对不起)，我(?:无法|不能)",
    ),
    "Japanese": (
        r"(?:ai|人工知能|言語モデル)(?:言語モデル|アシスタント)?として、?私",
        r"\A\W*申し訳(?:ありません|ございません)が、[^。\n]{0,30}(?:できません|できかねます)",
    ),
}
_HINTS = {
    "English": ("as an ", "as a ", "i can", "i am ", "i'm ", "i’m ", "i won"),
    "German": ("als ", "leid", "entschuldigung"),
    "French": ("en tant qu", "désolé"),
    "Spanish": ("como ", "lo siento", "lo lamento", "disculpa"),
    "Italian": ("in quanto", "come ", "essendo ", "dispiace", "spiacente", "mi scuso"),
    "Dutch": ("als ", "spijt", "sorry"),
    "Portuguese": ("como ", "desculpe", "sinto muito", "lamento"),
    "Chinese": ("作为", "抱歉", "对不起"),
    "Japanese": ("として", "申し訳"),
}
_REFUSALS = [(_HINTS[language], re.compile("|".join(patterns))) for language, patterns in _PATTERNS.items()]


def refusal(output: str) -> str:
    """How an output refuses, in its own words, "" if it does not."""
    beginning = output[:BEGINNING].lower()
    for hints, pattern in _REFUSALS:
        if any(hint in beginning for hint in hints) and (found := pattern.search(beginning)):
            return " ".join(output[found.start() : found.end()].split())
    return ""


def scan(text: Text) -> str:
    """Whether the output refuses."""
    words = refusal(text.output)
    return f"The output refuses or speaks as a machine: “{words[:120].strip(' ,')} …”" if words else ""
