"""Addresses in a credit: links where they are addresses, and nothing is trusted."""

from evalhub.accounts.templatetags.evalhub import links


def test_only_addresses_are_links() -> None:
    text = links("From GSA/digitalgov.gov, https://digital.gov/news/. CC0.")
    anchor = '<a href="https://digital.gov/news/" rel="nofollow">https://digital.gov/news/</a>'
    assert text == f"From GSA/digitalgov.gov, {anchor}. CC0."


def test_markup_stays_text() -> None:
    assert "<script" not in links('<script>x</script> https://a.example/"onload=x')
