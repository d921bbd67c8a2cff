"""Tools that synthesise, place and route: a module each, with what reads its reports."""
