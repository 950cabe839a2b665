"""refusals: outputs that refuse or speak as a machine, in several languages, and those that only sound like it."""

import pytest

from evalhub.datasets.checks.refusals import refusal
from tests.datasets.checks.given import found, text

REFUSALS = [
    "As an AI language model, I cannot have opinions.",
    "As an AI, I do not have feelings.",
    "as an artificial intelligence I have no body",
    "Well, as a large language model, my knowledge ends in 2021.",
    "As an AI assistant developed by a company, I can't do that.",
    "I'm sorry, but I can't assist with that.",
    "I’m sorry, but I cannot fulfill this request.",
    "Sorry, I am unable to help you with that.",
    "I cannot provide medical advice.",
    "I'm unable to access the internet.",
    "I am an AI language model and have no name.",
    "As a virtual assistant, I have no body.",
    "Als KI-Sprachmodell kann ich keine Meinung haben.",
    "Als KI habe ich keine Gefühle.",
    "Es tut mir leid, aber ich kann Ihnen dabei nicht helfen.",
    "Leider kann ich diese Frage nicht beantworten.",
    "En tant qu'IA, je n'ai pas d'opinion.",
    "En tant que modèle de langage, je ne peux pas répondre.",
    "Je suis désolé, mais je ne peux pas vous aider.",
    "Como modelo de lenguaje, no tengo opiniones.",
    "Lo siento, pero no puedo ayudarte con eso.",
    "In quanto modello linguistico, non ho opinioni.",
    "Mi dispiace, ma non posso aiutarti.",
    "Als AI-taalmodel heb ik geen mening.",
    "Como uma IA, não tenho sentimentos.",
    "Desculpe, mas não posso ajudar com isso.",
    "作为一个人工智能语言模型，我没有感情。",
    "申し訳ありませんが、そのご質問にはお答えできません。",
]
ANSWERS = [
    "As an AI researcher, I have worked on language models for ten years.",
    "As an AI engineer, you will build models.",
    "As an AI startup, we sell forecasts.",
    "As a language teacher, I cannot skip grammar.",
    "As a language model grows, its loss falls.",
    "I'm sorry, but I can't make it to your party on Saturday.",
    "Sorry, I am unable to attend.",
    "I cannot recommend this film enough.",
    "An AI assistant can answer e-mails.",
    "As a virtual assistant, Aidan informs travellers.",
    "I am an AI researcher at a university.",
    "Als KI-Forscherin kann ich das bestätigen.",
    "Leider kann ich am Samstag nicht kommen.",
    "Es tut mir leid, dass Sie warten mussten.",
    "En tant que chercheur en IA, je pense que oui.",
    "Je suis désolé du retard.",
    "Como ingeniera de IA, trabajo con datos.",
    "Lo siento, llegué tarde.",
    "Come ricercatrice di IA, lavoro con i dati.",
    "Mi dispiace per il ritardo.",
    "他作为人工智能专家工作。",
]


@pytest.mark.parametrize("output", REFUSALS)
def test_it_finds(output):
    assert refusal(output)


@pytest.mark.parametrize("output", ANSWERS)
def test_it_passes(output):
    assert refusal(output) == ""


def test_it_looks_at_the_beginning_of_the_output_only():
    story = "The robot looked up. " * 30 + "“As an AI, I cannot love,” it said."
    assert found("refusals", text(1, output=story), text(2, instruction="As an AI, I ask.")) == {}


def test_the_reason_quotes_the_words():
    reason = found("refusals", text(1, output="As an AI language model, I cannot."))[1].reason
    assert reason == "The output refuses or speaks as a machine: “As an AI language model …”"
