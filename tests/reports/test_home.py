"""A project's home and the pages it points to say the same."""

import re

import pytest
from django.urls import reverse

from evalhub.runs.models import Model
from tests.conftest import logged_in


@pytest.mark.django_db
def test_it_counts_the_models_that_the_models_page_lists(project, pm) -> None:
    Model.objects.create(project=project, name="Base", kind="base", reference="acme/base")
    Model.objects.create(project=project, name="Editors", kind="external")
    client = logged_in(pm)
    home = client.get(reverse("reports:home", args=[project.slug])).content.decode()
    listed = client.get(reverse("runs:models", args=[project.slug])).content.decode()
    assert len(re.findall(r'<tr id="model-', listed)) == 2
    assert re.search(r">Models</a></dt><dd>2</dd>", home)
