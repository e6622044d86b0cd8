"""The HorizontalPodAutoscaler's algorithm, as kubernetes.io documents it for autoscaling/v2 and an AverageValue of a pods
metric: desired = ceil(sum of the pods' values / target), nothing within the tolerance, then the stabilisation windows
and the policies of `behavior`. Pods that are not ready count as 0 when the answer would be more pods."""
import math

TOLERANCE = 0.1


class Autoscaler:
    """`spec` is the one of a rendered HorizontalPodAutoscaler; times are seconds."""

    def __init__(self, spec):
        self.low, self.high = spec["minReplicas"], spec["maxReplicas"]
        self.target = int(spec["metrics"][0]["pods"]["target"]["averageValue"])
        self.up, self.down = spec["behavior"]["scaleUp"], spec["behavior"]["scaleDown"]
        self.wanted = []  # (time, replicas) as the metric alone would have it
        self.changes = []  # (time, by how many)

    def by_metric(self, ready, unready, replicas):
        """`ready`: the values of the ready pods; `unready`: how many others there are."""
        if not ready:
            return replicas
        ratio = sum(ready) / len(ready) / self.target
        if abs(ratio - 1) <= TOLERANCE:
            return replicas
        if ratio > 1 and unready:
            ratio = sum(ready) / (len(ready) + unready) / self.target
            if ratio < 1 or abs(ratio - 1) <= TOLERANCE:
                return replicas
            return max(replicas, math.ceil(ratio * (len(ready) + unready)))
        return math.ceil(ratio * len(ready))

    def at_the_start(self, now, seconds, replicas):
        """How many there were `seconds` ago: what was added since may go again at once, what has gone may come back."""
        return replicas - sum(by for at, by in self.changes if now - at < seconds)

    def allowed(self, now, replicas, rules, sign):
        """How many pods the policies allow: of the policies the one that allows the greatest change."""
        limits = []
        for policy in rules["policies"]:
            base = self.at_the_start(now, policy["periodSeconds"], replicas)
            if policy["type"] == "Pods":
                limits.append(base + sign * policy["value"])
            else:
                limits.append(math.ceil(base * (1 + sign * policy["value"] / 100)) if sign > 0 else
                              math.floor(base * (1 - policy["value"] / 100)))
        return max(limits) if sign > 0 else min(limits)

    def decide(self, now, ready, unready, replicas):
        wanted = min(max(self.by_metric(ready, unready, replicas), self.low), self.high)
        self.wanted.append((now, wanted))
        up = [count for at, count in self.wanted if now - at <= self.up["stabilizationWindowSeconds"]]
        down = [count for at, count in self.wanted if now - at <= self.down["stabilizationWindowSeconds"]]
        desired = replicas
        if min(up) > replicas:
            desired = min(min(up), self.allowed(now, replicas, self.up, 1))
        elif max(down) < replicas:
            desired = max(max(down), self.allowed(now, replicas, self.down, -1))
        desired = min(max(desired, self.low), self.high)
        if desired != replicas:
            self.changes.append((now, desired - replicas))
        return desired
