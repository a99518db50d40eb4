"""Configuration of Sphinx: ``make docs``."""

import os
import sys
import tomllib
from pathlib import Path

import django
from django.conf import settings

import django_groupme_images

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

# autodoc imports modules that require configured settings.
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "rest_framework", "django_groupme_images"]
)
django.setup()

project = "django-groupme-images"
author = "The django-groupme-images contributors"
copyright = author  # noqa: A001  # Sphinx's name
version = release = django_groupme_images.__version__

extensions = [
    "myst_parser",
    "commands",
    "facts",
    "headings",
    "options",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinxcontrib.mermaid",
]

metadata = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
urls = {
    "GitHub": metadata["urls"]["Source"],
    "PyPI": f"https://pypi.org/project/{project}/",
    "Issues": metadata["urls"]["Issues"],
}

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_search_scorer = str(Path(__file__).parent / "_static/search_scorer.js")
html_baseurl = os.environ.get("READTHEDOCS_CANONICAL_URL", "")
html_theme_options = {
    "navigation_with_keys": True,
    "source_repository": metadata["urls"]["Source"],
    "source_branch": "main",
    "source_directory": "docs/",
    # The theme shows these links below each page.
    "footer_icons": [
        {"name": name, "url": url, "html": name, "class": ""} for name, url in urls.items()
    ],
}

# Do not copy prompts.
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True

myst_enable_extensions = ["colon_fence"]
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 3
myst_ref_domains = ["std", "py"]

autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # Django documents its own methods.
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
maximum_signature_line_length = 88

# Report unresolved references, except those to other projects.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", "(?!django_groupme_images).*"),
    ("py:class", r"django_groupme_images\.field_files\..*Descriptor"),  # It is not public.
]
