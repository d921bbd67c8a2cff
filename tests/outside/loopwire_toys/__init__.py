"""A package from outside that adds one of each to Loopwire: a cell, a frontend, a target, a family of FPGAs."""
