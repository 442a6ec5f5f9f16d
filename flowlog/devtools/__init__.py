"""What development and tests run on: the embedded servers and `manage.py dev`. Never used in production."""
