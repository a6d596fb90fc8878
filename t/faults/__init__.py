"""Clients work, faults strike, and a checker proves from what was recorded that the server kept its promises."""
