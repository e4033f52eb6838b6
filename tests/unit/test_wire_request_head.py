"""Cookies of strangers: plain ones are left in a head, and what is dear to parse is taken out."""

import time

import pytest

from twinpane_wire.request_head import COOKIES, RequestHead, plain_cookies, with_plain_cookies

FIRST = b"GET / HTTP/1.1\r\n"


def test_cookies_that_are_dear_to_read_are_passed_over() -> None:
    """Cookies with backslashes, and cookies beyond a number, are ignored. The others stay."""
    assert plain_cookies('a=1; b="\\\\101"; c="x=="') == 'a=1; c="x=="'
    assert plain_cookies("; ".join(f"c{number}=1" for number in range(5000))).count(";") == COOKIES - 1


def test_a_head_keeps_all_else_and_what_came_after_it() -> None:
    sent = FIRST + b'Host: h\r\ncOOKIE:a=1; b="\\\\"; c=2\r\n \\\\; d=4\r\nX-Cookie: "\\"\r\n\r\nrest'
    head = FIRST + b'Host: h\r\nCookie: a=1; c=2\r\nX-Cookie: "\\"\r\n\r\n'
    assert RequestHead().add(sent) == (head, b"rest")
    assert with_plain_cookies(head) == head


@pytest.mark.no_cover
def test_any_cookies_cost_next_to_nothing() -> None:
    """15 kB of backslashes took Python's own parser 0.7 s, its square for twice as much."""
    began = time.process_time()
    for header in ('_xsrf="' + "\\" * 60_000 + '"', "a=1;" * 20_000, ";" * 60_000, '"' * 60_000):
        with_plain_cookies(FIRST + b"Cookie: " + header.encode() + b"\r\n\r\n")
    assert time.process_time() - began < 0.5
