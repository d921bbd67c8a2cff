"""What Loopwire asks of the computer that it runs on: folders of its own, programs, a compiler, a cache."""
