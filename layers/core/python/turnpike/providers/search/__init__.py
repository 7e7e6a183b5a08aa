"""Engines that search the web, each with its own API."""
