"""For every alarm of packaging/prometheus/rules.yml: figures at which it sounds, and figures at which it does not."""

from __future__ import annotations

from typing import NamedTuple

#: Figures as promtool writes them: the series without `streamdns_`, instance and job -> its values, one each minute.
Series = dict[str, str]


class Alarm(NamedTuple):
    """`labels` are those of the alarm beside instance, job and severity; `value` is what its summary shows, if it does.

    It must sound after `after` with `bad`, and must not with `good`.
    """

    bad: Series
    good: Series
    labels: dict[str, str] = {}
    value: str = ""
    after: str = "30m"


def state(name: str, value: str = "1+0x90") -> Series:
    return {f'consumer_state{{state="{name}"}}': value}


def alarm_counter(reason: str) -> Alarm:
    """An alarm that sounds when it is counted, and for half an hour."""
    series = f'consumer_alarms_total{{reason="{reason}"}}'
    return Alarm({series: "0+0x9 1+0x60"}, {series: "1+0x90"}, {"reason": reason}, after="15m")


def buckets(name: str, quick: str, all_: str, *, le: str, labels: str = "") -> Series:
    return {f'{name}{{{labels}le="{le}"}}': quick, f'{name}{{{labels}le="+Inf"}}': all_}


_SERVFAIL, _NOERROR = ('dns_queries_total{transport="udp",qtype="A",rcode="' + each + '"}' for each in
                       ("SERVFAIL", "NOERROR"))
#: Over before an hour is.
_REBUILDING = state("rebuilding", "1+0x40 0+0x50")
_UPTIME = "process_uptime_seconds"
_NOT_SENT = 'dns_dropped_total{reason="not sent"}'
_RATE_LIMITED = 'dns_rate_limited_total{action="dropped"}'
_LIMITED = 'resolver_limited_total{limit="client"}'
_LOST, _UP = 'metrics_lost_total{output="statsd"}', 'metrics_output_up{output="statsd"}'
_SIGNINS = 'admin_signins_total{outcome="wrong"}'
_SKEWED = 'propagation_skewed_total{source="file"}'
_COMMITTED = "propagation_committed_seconds_bucket"

ALARMS: dict[str, Alarm] = {
    "StreamdnsDown": Alarm({"up": "0+0x90"}, {"up": "1+0x90"}),
    "StreamdnsNotReady": Alarm({"process_ready": "0+0x90"}, {"process_ready": "1+0x90"}),
    "StreamdnsRestarts": Alarm({_UPTIME: "0 60 0 60 0 60 0+60x60"}, {_UPTIME: "0+60x90"}),
    "StreamdnsWorkersDie": Alarm(
        {'workers_restarts_total{worker="2"}': "0+1x90"}, {'workers_restarts_total{worker="2"}': "5+0x90"},
        {"worker": "2"},
    ),
    "StreamdnsFaults": Alarm({"dns_exceptions_total": "0+0x20 1+0x60"}, {"dns_exceptions_total": "1+0x90"}),
    "StreamdnsServfail": Alarm(
        {_SERVFAIL: "0+60x90", _NOERROR: "0+600x90"}, {_SERVFAIL: "0+6x90", _NOERROR: "0+600x90"}
    ),
    "StreamdnsNotSent": Alarm({_NOT_SENT: "0+600x90"}, {_NOT_SENT: "600+0x90"}, {"reason": "not sent"}),
    "StreamdnsTcpFull": Alarm({"dns_tcp_refused_total": "0+1x90"}, {"dns_tcp_refused_total": "9+0x90"}),
    "StreamdnsRateLimited": Alarm({_RATE_LIMITED: "0+900x90"}, {_RATE_LIMITED: "0+300x90"}),
    "StreamdnsLogOutOfReach": Alarm(state("reconnecting"), state("reconnecting", "0+0x90"), {"state": "reconnecting"}),
    "StreamdnsStale": Alarm({"consumer_stale": "1+0x90"}, {"consumer_stale": "0+0x90"}),
    "StreamdnsBehind": Alarm(
        {"consumer_lag_seconds": "0+60x90", **state("rebuilding", "0+0x90")},
        {"consumer_lag_seconds": "0+60x90", **_REBUILDING},
    ),
    "StreamdnsPropagationSlow": Alarm(
        buckets(_COMMITTED, "0+50x90", "0+100x90", le="60.0", labels='source="file",'),
        buckets(_COMMITTED, "0+100x90", "0+100x90", le="5.0", labels='source="file",'), {"source": "file"},
    ),
    "StreamdnsClockSkew": Alarm({_SKEWED: "0+1x90"}, {_SKEWED: "5+0x90"}, {"source": "file"}),
    "StreamdnsLogReplaced": alarm_counter("log-replaced"),
    "StreamdnsRebuildHeld": Alarm({"consumer_held": "1+0x90"}, {"consumer_held": "0+0x90"}),
    "StreamdnsManyDeletes": alarm_counter("deletes"),
    "StreamdnsAwayTooLong": alarm_counter("away-too-long"),
    "StreamdnsLogTooSlow": alarm_counter("log-too-slow"),
    "StreamdnsSourceStalled": alarm_counter("stalled"),
    "StreamdnsViewDamaged": alarm_counter("view-damaged"),
    "StreamdnsViewFull": Alarm(state("view-full"), state("view-full", "0+0x90"), {"state": "view-full"}),
    "StreamdnsMapAlmostFull": Alarm(
        {"view_size_bytes": "9+0x90", "view_max_bytes": "10+0x90"},
        {"view_size_bytes": "7+0x90", "view_max_bytes": "10+0x90"},
    ),
    "StreamdnsNoRoomForRebuild": Alarm(
        {"view_free_bytes": "10+0x90", "view_size_bytes": "10+0x90", **state("rebuilding", "0+0x90")},
        {"view_free_bytes": "10+0x90", "view_size_bytes": "10+0x90", **_REBUILDING},
    ),
    "StreamdnsRebuildRefused": alarm_counter("no-room"),
    "StreamdnsRebuildLong": Alarm(
        state("rebuilding"), state("rebuilding", "1+0x50 0 1+0x50"), {"state": "rebuilding"}, after="85m"
    ),
    "StreamdnsBatchPassedOver": alarm_counter("batch-passed-over"),
    "StreamdnsZoneClaimed": alarm_counter("zone-claimed"),
    "StreamdnsQuarantine": Alarm({"view_quarantined": "3+0x90"}, {"view_quarantined": "0+0x90"}, value="3"),
    "StreamdnsConflicts": Alarm({"view_conflicts": "2+0x90"}, {"view_conflicts": "0+0x90"}, value="2", after="85m"),
    "StreamdnsDiverged": Alarm({"nodes_diverged": "1+0x90"}, {"nodes_diverged": "0+0x90"}),
    "StreamdnsAuditWrong": Alarm({"view_audit_wrong": "1+0x90"}, {"view_audit_wrong": "0+0x90"}),
    "StreamdnsNodesUnreachable": Alarm({"nodes_unreachable": "2+0x90"}, {"nodes_unreachable": "0+0x90"}, value="2"),
    "StreamdnsResolverFailing": Alarm(
        {"resolver_failures_total": "0+30x90", "resolver_misses_total": "0+60x90"},
        {"resolver_failures_total": "0+1x90", "resolver_misses_total": "0+60x90"},
    ),
    "StreamdnsResolverLimit": Alarm({_LIMITED: "0+9x90"}, {_LIMITED: "9+0x90"}, {"limit": "client"}),
    "StreamdnsLoopLate": Alarm(
        buckets("process_hub_late_seconds_bucket", "0+100x90", "0+100x90", le="0.25"),
        buckets("process_hub_late_seconds_bucket", "0+100x90", "0+100x90", le="0.05"),
    ),
    "StreamdnsDescriptors": Alarm(
        {"process_descriptors": "900+0x90", "process_descriptors_max": "1000+0x90"},
        {"process_descriptors": "90+0x90", "process_descriptors_max": "1000+0x90"},
    ),
    "StreamdnsMetricsLost": Alarm(
        {_LOST: "0+0x90", _UP: "0+0x90"}, {_LOST: "7+0x90", _UP: "1+0x90"}, {"output": "statsd"}
    ),
    "StreamdnsSigninsWrong": Alarm({_SIGNINS: "0+60x90"}, {_SIGNINS: "60+0x90"}, {"outcome": "wrong"}),
}
