from __future__ import annotations

import socket
import ssl

import pytest

from comfytui.api.response import describe_connect_error, redirect_host


def beneath(cause: BaseException) -> Exception:
    """An error raised from this one, as libraries stack them."""
    outer = RuntimeError("All connection attempts failed")
    outer.__cause__ = ExceptionGroup("several", [OSError("no words"), RuntimeError()])
    outer.__cause__.__context__ = cause
    return outer


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "connection refused: nothing listens there"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "no such host"),
        (socket.gaierror(socket.EAI_AGAIN, "Try again"), "the host's name cannot be looked up now"),
        (OSError(101, "Network is unreachable"), "network is unreachable"),
        (untrusted(), "TLS: the server's certificate is not trusted (self-signed certificate)"),
        (ssl.SSLError(1, "no words"), "TLS: no secure connection"),
        (RuntimeError(), "no connection could be made"),
    ],
)
def test_why_no_connection_came_about(cause: Exception, words: str) -> None:
    assert describe_connect_error(cause) == words
    assert describe_connect_error(beneath(cause)) == words


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://user:password@Login.example.com:8443/in?token=secret#x", "login.example.com"),
        ("//login.example.com/in", "login.example.com"),
        ("/login?next=secret", "another path"),
        ("", "another path"),
        ("http://[", "no address"),
    ],
)
def test_a_redirect_is_named_by_its_host_alone(location: str, target: str) -> None:
    assert redirect_host(location) == target
