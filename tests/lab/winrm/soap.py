# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SOAP envelopes of WS-Management: reading requests, writing answers and faults."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from . import wsfaults

SOAP = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
WSMAN_MS = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
IDENTITY = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
CMD_SHELL = f"{SHELL}/cmd"
ANONYMOUS = f"{ADDRESSING}/role/anonymous"

ACTIONS: Mapping[str, str] = {
    f"{TRANSFER}/Create": "Create",
    f"{TRANSFER}/Delete": "Delete",
    f"{SHELL}/Command": "Command",
    f"{SHELL}/Receive": "Receive",
    f"{SHELL}/Send": "Send",
    f"{SHELL}/Signal": "Signal",
}
_UNDERSTOOD: Mapping[str, frozenset[str]] = {
    ADDRESSING: frozenset({"To", "From", "ReplyTo", "FaultTo", "Action", "MessageID", "RelatesTo"}),
    WSMAN: frozenset({"ResourceURI", "MaxEnvelopeSize", "OperationTimeout", "Locale", "OptionSet", "SelectorSet"}),
    WSMAN_MS: frozenset({"DataLocale", "SessionId", "OperationID", "SequenceId", "FunctionId", "ActivityId"}),
}
_SYSTEMS = {"2003": "OS: 5.2.3790 SP: 2.0", "2008r2": "OS: 6.1.7601 SP: 1.0"}
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_NAMESPACES = "".join(
    f' xmlns:{prefix}="{uri}"'
    for prefix, uri in (("s", SOAP), ("a", ADDRESSING), ("x", TRANSFER), ("w", WSMAN), ("rsp", SHELL), ("p", WSMAN_MS))
)


class Malformed(Exception):
    """The text is not a SOAP envelope."""


@dataclass
class Request:
    """A SOAP request, its header already taken apart."""

    text: str
    body: etree._Element
    action: str = ""
    message_id: str = ""
    resource_uri: str = ""
    max_envelope_size: int | None = None
    operation_timeout: float | None = None
    options: dict[str, str] = field(default_factory=dict)
    selectors: dict[str, str] = field(default_factory=dict)
    not_understood: list[wsfaults.NotUnderstood] = field(default_factory=list)

    @property
    def is_identify(self) -> bool:
        """Whether it asks who the server is; such a request needs no addressing headers."""
        return self.body.find(f"{{{IDENTITY}}}Identify") is not None

    @property
    def name(self) -> str:
        """The action's short name, as the recorder and faults know it."""
        if self.is_identify:
            return "Identify"
        return ACTIONS.get(self.action) or self.action.rpartition("/")[2] or "?"


def parse(data: bytes) -> Request:
    """Read a request; entities, DTDs and anything but SOAP 1.2 are refused."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise Malformed(str(error)) from error
    body = root.find(f"{{{SOAP}}}Body")
    document: Any = root.getroottree().docinfo
    if document.doctype or root.tag != f"{{{SOAP}}}Envelope" or body is None:
        raise Malformed("not a SOAP 1.2 envelope")
    request = Request(text=data.decode(document.encoding or "utf-8", "replace"), body=body)
    header = root.find(f"{{{SOAP}}}Header")
    for element in header if header is not None else ():
        _read_header(request, element)
    return request


def _read_header(request: Request, element: etree._Element) -> None:
    name = etree.QName(element)
    text = (element.text or "").strip()
    if name.localname not in _UNDERSTOOD.get(name.namespace or "", ()):
        if element.get(f"{{{SOAP}}}mustUnderstand") in ("true", "1"):
            request.not_understood.append(
                wsfaults.NotUnderstood(element.prefix or "", name.localname, name.namespace or "")
            )
    elif name.localname == "Action":
        request.action = text
    elif name.localname == "MessageID":
        request.message_id = text
    elif name.localname == "ResourceURI":
        request.resource_uri = text
    elif name.localname == "MaxEnvelopeSize":
        request.max_envelope_size = int(text) if text.isdecimal() else 0
    elif name.localname == "OperationTimeout":
        request.operation_timeout = duration(text, wsfaults.WSManFault(wsfaults.INVALID_TIMEOUT))
    elif name.localname == "OptionSet":
        request.options = _named_values(element, "Option")
    elif name.localname == "SelectorSet":
        request.selectors = _named_values(element, "Selector")


def _named_values(element: etree._Element, child: str) -> dict[str, str]:
    return {str(each.get("Name", "")): (each.text or "") for each in element.findall(f"{{{WSMAN}}}{child}")}


def duration(text: str, fault: wsfaults.WSManFault) -> float:
    """Seconds of an ISO 8601 duration such as ``PT20S``; anything else is the given fault."""
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise fault
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def answer(request: Request, body: str) -> bytes:
    """The answer to a request that went well."""
    return _envelope(f"{request.action}Response", request.message_id, body)


def identity(profile: str) -> bytes:
    """The answer to Identify; to a client without a login (no profile) the system's version is hidden [field]."""
    system = f"{_SYSTEMS.get(profile, 'OS: 0.0.0 SP: 0.0')} Stack: 2.0"
    body = (
        f'<wsmid:IdentifyResponse xmlns:wsmid="{IDENTITY}"><wsmid:ProtocolVersion>{WSMAN}</wsmid:ProtocolVersion>'
        "<wsmid:ProductVendor>Microsoft Corporation</wsmid:ProductVendor>"
        f"<wsmid:ProductVersion>{system}</wsmid:ProductVersion></wsmid:IdentifyResponse>"
    )
    text = f'<s:Envelope xml:lang="en-US" xmlns:s="{SOAP}"><s:Header/><s:Body>{body}</s:Body></s:Envelope>'
    return text.encode()


def fault(fault: wsfaults.WSManFault, relates_to: str, machine: str) -> bytes:
    """A fault with a WSMan code."""
    detail = f"<w:FaultDetail>{escape(fault.detail)}</w:FaultDetail>" if fault.detail else ""
    body = (
        f"<s:Fault><s:Code><s:Value>{fault.sender}</s:Value><s:Subcode><s:Value>{fault.subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{escape(fault.reason)}</s:Text></s:Reason><s:Detail>{detail}'
        '<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"'
        f' Code="{fault.code}" Machine={quoteattr(machine)}><f:Message>{escape(fault.message)}</f:Message></f:WSManFault>'
        "</s:Detail></s:Fault>"
    )
    return _envelope(wsfaults.WSMAN_FAULT, relates_to, body)


def not_understood(problem: wsfaults.NotUnderstood, relates_to: str) -> bytes:
    """The fault for a header that must be understood and is not."""
    header = f'<s:NotUnderstood qname="{problem.prefix}:{problem.name}" xmlns:{problem.prefix}={quoteattr(problem.namespace)}/>'
    body = (
        "<s:Fault><s:Code><s:Value>s:MustUnderstand</s:Value></s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{problem.reason}</s:Text></s:Reason></s:Fault>'
    )
    return _envelope(wsfaults.ADDRESSING_FAULT, relates_to, body, header)


def _envelope(action: str, relates_to: str, body: str, header: str = "") -> bytes:
    related = f"<a:RelatesTo>{escape(relates_to)}</a:RelatesTo>" if relates_to else ""
    text = (
        f'<s:Envelope xml:lang="en-US"{_NAMESPACES}><s:Header><a:Action>{escape(action)}</a:Action>'
        f"<a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID><a:To>{ANONYMOUS}</a:To>{related}{header}</s:Header>"
        f"<s:Body>{body}</s:Body></s:Envelope>"
    )
    return text.encode()
