"""What the training and the inference program share: the run folder's protocol and the one way to render a prompt.

Pure Python; no Django, no Celery, no torch. The web application reads the same protocol.
"""
