"""Read by every interpreter that begins with this folder on PYTHONPATH: workers' as well."""

from tests.elsewhere import taken_away

taken_away.take_away()
