"""The table of all settings: each row has name, parser, default, description and allowed values."""

from __future__ import annotations

from collections.abc import Mapping

from streamdns.settings import parsers
from streamdns.settings.admin import ADMIN
from streamdns.settings.kafka import KAFKA
from streamdns.settings.metrics import METRICS
from streamdns.settings.peers import PEERS
from streamdns.settings.pulsar import PULSAR
from streamdns.settings.rate_limit import RATE_LIMIT
from streamdns.settings.resolver import RESOLVER
from streamdns.settings.row import Setting, bool_row, integer_row, seconds_row, share_row
from streamdns.settings.workers import WORKERS

SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="DNS_ADDRESS", attribute="address", parse=parsers.parse_addresses, default="127.0.0.1:8053 [::1]:8053",
        description="The addresses at which DNS queries are answered, over UDP and TCP.",
        allowed="one or several of 192.0.2.1:53, [2001:db8::1]:53 or :53 (every IPv4 and IPv6 address), "
                "separated by space or comma",
    ),
    bool_row("DNS_UDP", "udp", "true", "Answer queries over UDP."),
    bool_row("DNS_TCP", "tcp", "true", "Answer queries over TCP (RFC 7766)."),
    *WORKERS,
    Setting(
        name="DNS_ZONES", attribute="zones", parse=parsers.parse_zones, default="", unset=(),
        unset_means="every zone whose SOA is in the log",
        reload=True,
        description="The zones this server is authoritative for; a listed zone without an SOA event gets a "
                    "synthesised one.",
        allowed="zone names separated by space or comma",
    ),
    Setting(
        name="DNS_ZONES_ALLOW", attribute="zones_allow", parse=parsers.parse_zones, default="", unset=(),
        unset_means="every name",
        description="The names at and below which the log may hold records; events about other names are rejected. All "
                    "nodes need the same value.",
        allowed="names separated by space or comma",
    ),
    Setting(
        name="DNS_TOPIC_ZONES", attribute="topic_zones", parse=parsers.parse_topic_zones, default="", unset=(),
        unset_means="every topic may hold every name",
        description="The names at and below which a topic of the log may hold records, and so the producers who may "
                    "write to it; a topic that is not named may hold every name. All nodes need the same value.",
        allowed="one or several of topic=example.org,example.net, separated by space; the file log is the topic file",
    ),
    Setting(
        name="DNS_PATHDB", attribute="pathdb", parse=parsers.parse_text, default="./var/view",
        description="The directory that holds the view (LMDB); only one process at a time may use it.",
        allowed="a path of a directory, which is made where it does not exist",
    ),
    Setting(
        name="DNS_INSTANCE_ID", attribute="instance_id", parse=parsers.parse_identity, default="", unset="",
        unset_means="the host name, which NSID and id.server do not tell",
        description="The name of this instance, as the admin API, logs and metrics give it, and, where it is set, NSID "
                    "(RFC 5001) and id.server.",
        allowed="text of at most 255 octets",
    ),
    Setting(
        name="DNS_LOCAL_RECORDS", attribute="local_records", parse=parsers.parse_lines, default="", unset=(),
        unset_means="none",
        description="Records of this instance alone: they replace the RRsets of the log that have the same name and "
                    "type, and hide a CNAME of the log at their name; the digest leaves them out.",
        allowed=r"records in presentation format (owner TTL IN TYPE DATA), separated by newline or \n",
    ),
    bool_row("DNS_DISALLOW_CNAME_ON_APEX", "disallow_cname_on_apex", "false",
          "Never answer with a CNAME at a zone apex; the same as DNS_APEX_CNAME=shadow.",
          reload=True),
    Setting(
        name="DNS_APEX_CNAME", attribute="apex_cname", parse=parsers.choice("shadow", "flatten"), default="shadow",
        reload=True,
        description="The effect of a CNAME at a zone apex: shadow leaves it out of the answers, flatten answers with "
                    "A and AAAA of its target, for every client; a target that is not ours is resolved unless "
                    "DNS_RECURSION_ALLOW is none.",
        allowed="shadow or flatten; flatten contradicts DNS_DISALLOW_CNAME_ON_APEX=true",
    ),
    *ADMIN,
    *PEERS,
    Setting(
        name="LOG_LEVEL", attribute="log_level", default="info", reload=True,
        parse=parsers.choice("debug", "info", "warning", "error", aliases={"warn": "warning"}),
        description="The lowest level that is logged.", allowed="debug, info, warning or error",
    ),
    Setting(
        name="LOG_FORMAT", attribute="log_format", parse=parsers.choice("json", "plain"), default="json", reload=True,
        description="The form of log lines: json is one object a line, plain is for people.", allowed="json or plain",
    ),
    Setting(
        name="DNS_SOURCE", attribute="source", parse=parsers.choice("file", "kafka", "pulsar"), default="",
        unset="file",
        unset_means="kafka when DNS_KAFKA_ADDRESS is set, pulsar when DNS_PULSAR_ADDRESS is set, else file",
        description="The kind of log that holds the zones.", allowed="file, kafka or pulsar",
    ),
    Setting(
        name="DNS_FILE_LOG", attribute="file_log", parse=parsers.parse_text, default="./var/log.jsonl",
        description="The path of the embedded file log: a file (partition 0), or a directory of <partition>.jsonl "
                    "files.",
        allowed="a path of a file or a directory",
    ),
    *KAFKA,
    *PULSAR,
    *RESOLVER,
    *METRICS,
    integer_row("DNS_DEFAULT_TTL", "default_ttl", (0, 2147483647), "3600",
             "The TTL in seconds of records whose event has none."),
    bool_row("DNS_ROTATE", "rotate", "false", "Rotate the order of an RRset's records from answer to answer.",
             reload=True),
    bool_row("DNS_VERSION", "version", "false", "Answer queries for version.bind and version.server with the version.",
             reload=True),
    bool_row("DNS_COOKIES", "cookies", "true", "Answer DNS cookies (RFC 7873, RFC 9018)."),
    Setting(
        name="DNS_COOKIE_SECRET", attribute="cookie_secret", parse=parsers.parse_hex_secret, default="", secret=True,
        unset_means="random at each start",
        description="The server secret of DNS cookies; instances behind one address need the same one.",
        allowed="32 hexadecimal digits",
    ),
    integer_row("DNS_EDNS_SIZE", "edns_size_bytes", (512, 4096), "1232",
             "The largest UDP answer in bytes, and the size that EDNS announces.", reload=True),
    *RATE_LIMIT,
    Setting(
        name="DNS_UDP_RECEIVE_BUFFER", attribute="udp_receive_buffer_bytes",
        parse=parsers.size_bytes(4096, 1 << 30), default="4194304",
        description="The receive buffer of each UDP socket; the kernel may grant less (net.core.rmem_max).",
        allowed="a size in bytes from 4K to 1G (K, M, G: powers of 1024)",
    ),
    integer_row("DNS_UDP_BATCH", "udp_batch", (1, 1024), "64",
             "The most datagrams that are answered together, from one snapshot of the view."),
    integer_row("DNS_TCP_CONNECTIONS", "tcp_connections", (1, 65536), "1024",
                "The most TCP connections at a time, fewer where the process may not open as many files; past it "
                "the one that was silent the longest is closed.", reload=True),
    integer_row("DNS_TCP_CLIENT_CONNECTIONS", "tcp_client_connections", (1, 65536), "200",
                "The most TCP connections at a time of one client, an IPv4 address or an IPv6 /64; past it the one of "
                "the client that was silent the longest is closed.", reload=True),
    seconds_row("DNS_TCP_IDLE_TIMEOUT", "tcp_idle_timeout_s", (0.1, 86400), "30",
             "How long a TCP connection may be silent before it is closed.", reload=True),
    seconds_row("DNS_TCP_MESSAGE_TIMEOUT", "tcp_message_timeout_s", (0.1, 3600), "5",
             "How long a TCP client may take to send one whole message, or to take one answer.", reload=True),
    seconds_row("DNS_STALE_AFTER", "stale_after_s", (0.1, 31536000), "3600",
             "How long the log may be out of reach, the view full, or a rebuilt view held, before answers are marked "
             "as stale and /ready says no.", reload=True),
    share_row("DNS_SWAP_GUARD", "swap_guard", "10%",
              "How much of the zones, or of the RRsets, that are served a rebuilt view may take away when it takes "
              "over. Beyond that the swap is held until the difference is smaller or `streamdns rebuild --accept`; "
              "answers come from the old view meanwhile.", reload=True),
    share_row("DNS_DELETE_GUARD", "delete_guard", "25%",
              "Beyond which share of the RRsets of a zone, or of all, that are deleted within DNS_DELETE_GUARD_WINDOW "
              "an alarm sounds and the journal is marked; the deletes are applied.", reload=True),
    seconds_row("DNS_DELETE_GUARD_WINDOW", "delete_guard_window_s", (60, 86400), "600",
                "Over how many seconds of events deletes are counted for DNS_DELETE_GUARD."),
    integer_row("DNS_JOURNAL_SIZE", "journal_size", (0, 10_000_000), "10000",
             "The number of changes that the journal keeps."),
    integer_row("DNS_QUARANTINE_SIZE", "quarantine_size", (1, 10_000_000), "1000",
             "The number of rejected events that the quarantine keeps."),
    Setting(
        name="DNS_VIEW_MAX_BYTES", attribute="view_max_bytes", parse=parsers.size_bytes(1 << 20, 1 << 46),
        default="64G", reload=True,
        description="The largest size of the view; when it is full, new events are not read, but queries are answered.",
        allowed="a size in bytes from 1M to 64T (K, M, G, T: powers of 1024)",
    ),
    integer_row("DNS_BATCH_EVENTS", "batch_events", (1, 100_000), "1000",
             "The most events that are written to the view in one transaction."),
    seconds_row("DNS_DRAIN", "drain_s", (0, 3600), "0.2",
             "How long queries are still answered after a signal to stop, while /ready already says no."),
    seconds_row("DNS_STOP_TIMEOUT", "stop_timeout_s", (0.1, 3600), "5",
             "How long all services together may take to stop."),
)

BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}
