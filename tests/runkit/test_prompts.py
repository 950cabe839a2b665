"""One renderer and one tokeniser for training and for serving, whatever a model's template does."""

import pytest

from runkit.folder import RunRefused
from runkit.prompts import encode_answer, encode_example, encode_prompt, ensure_template, render, template_fingerprint
from tests.training.toy import tokenizer

USER = {"role": "user", "content": "Name it."}
CHATML = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
THINKING = CHATML.replace("<|assistant|>{% endif", "<|assistant|><think></think>{% endif")
NO_END = "{{ bos_token }}{% for m in messages %}{{ m['content'] }}|{% endfor %}"


def answer_text(template: str, answer: str) -> str:
    made = tokenizer()
    made.chat_template = template
    return str(made.decode(encode_answer(made, [USER], answer)))


@pytest.mark.parametrize("template", [CHATML, THINKING])
def test_it_ends_an_answer_with_the_end_of_turn_and_nothing_behind_it(template: str):
    assert answer_text(template, "A bridge") == "A bridge</s>"


def test_it_takes_the_answer_itself_where_a_finished_turn_is_rendered_otherwise():
    made = tokenizer()
    made.chat_template = THINKING
    prompt = made.decode(encode_prompt(made, [USER], 100).ids)
    assert prompt.endswith("<think></think>")
    assert answer_text(THINKING, "A bridge") == "A bridge</s>"


def test_it_adds_the_end_where_the_template_writes_none():
    assert answer_text(NO_END, "A bridge") == "A bridge|</s>"


def test_it_ends_also_an_answer_that_speaks_of_the_end():
    assert answer_text(NO_END, "about </s> tokens").endswith("tokens|</s>")


def test_it_writes_one_beginning_of_sequence():
    made = tokenizer()
    assert encode_prompt(made, [USER], 100).ids.count(made.bos_token_id) == 1


def test_it_cuts_a_prompt_at_a_sentence_and_keeps_what_follows_the_text():
    made = tokenizer()
    long = {"role": "user", "content": "One sentence. " * 3 + "Then a last one that is too long to fit in here."}
    prompt = encode_prompt(made, [long], 60)
    assert prompt.truncated
    assert len(prompt.ids) <= 60
    assert made.decode(prompt.ids) == "<s>" + ("One sentence. " * 3).strip() + ">"


def test_it_leaves_out_a_character_that_the_cut_went_through():
    made = tokenizer()
    for room in range(8, 16):
        ids = encode_prompt(made, [{"role": "user", "content": "中文字符中文字符"}], room).ids
        assert "\ufffd" not in made.decode(ids)


def test_it_refuses_a_prompt_that_does_not_fit_even_without_its_text():
    system = {"role": "system", "content": "Rules. " * 20}
    with pytest.raises(RunRefused, match="does not fit into 40 tokens"):
        encode_prompt(tokenizer(), [system, USER], 40)


def test_it_cuts_the_prompt_of_an_example_and_never_its_answer():
    made = tokenizer()
    long = {"role": "user", "content": "word " * 50}
    example = encode_example(made, [long, {"role": "assistant", "content": "the answer"}], 40)
    assert example.truncated
    assert example.length <= 40
    assert made.decode(example.answer_ids) == "the answer</s>"


def test_it_gives_training_and_serving_the_same_prompt():
    made = tokenizer()
    example = encode_example(made, [USER, {"role": "assistant", "content": "A bridge"}], 100)
    assert example.prompt_ids == encode_prompt(made, [USER], 100).ids


def test_it_asks_the_same_tomorrow_as_today():
    made = tokenizer()
    made.chat_template = "{{ strftime_now('%d %b %Y') }} {{ messages[0]['content'] }}"
    assert render(made, [USER]) == "01 Jan 2025 Name it."


def test_it_says_so_when_a_template_declines():
    made = tokenizer()
    made.chat_template = "{{ raise_exception('no system role') }}"
    with pytest.raises(RunRefused, match="declines these messages: no system role"):
        render(made, [USER])


def test_it_has_a_plain_template_for_a_model_without_one():
    made = tokenizer()
    made.chat_template = None
    assert not ensure_template(made)
    assert ensure_template(made)
    assert render(made, [USER]) == "<s>Name it.\n\nAnswer:"


def test_it_tells_templates_apart_and_recognises_its_own():
    first, same, other = tokenizer(), tokenizer(), tokenizer()
    other.chat_template = CHATML
    assert template_fingerprint(first) == template_fingerprint(same) != template_fingerprint(other)
