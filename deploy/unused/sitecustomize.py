"""What libraries load though no process of Flowlog uses it is not loaded: the units have this folder on their
PYTHONPATH, so that Python runs this at its start. It saves nine MiB in each worker and in beat, three in the web.
Without it all works the same.
"""

import sys
from importlib.util import find_spec
from types import ModuleType

# As if they were not installed, which Celery and kombu expect: colours on a terminal, messages that are no JSON.
sys.modules.update(dict.fromkeys(("pygments", "yaml")))  # type: ignore[arg-type]

# The shell of `celery amqp`, with a whole terminal.
sys.modules["click_repl"] = ModuleType("click_repl")
sys.modules["click_repl"].register_repl = lambda _group: None  # type: ignore[attr-defined]

# Django's test client and `unittest`: of this package django-ninja wants `django.test.signals` alone, which is found.
if django := find_spec("django"):
    sys.modules["django.test"] = ModuleType("django.test")
    sys.modules["django.test"].__path__ = [f"{each}/test" for each in django.submodule_search_locations or ()]
