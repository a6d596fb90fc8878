"""What the whole-server tests are made of: real servers, clients that can misbehave, and a way to wait."""
