"""Anthropic's Messages API, at Anthropic and wherever else Claude is served with the same messages."""
