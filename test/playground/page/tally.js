// Tally counts what arrives for one user. Each way in numbers its events for a
// user from 1, without gaps and in order; between the ways there is no order.
// Counting begins with the first number that arrives.
export class Tally {
  received = 0;
  doubled = 0;
  reordered = 0;
  longest = 0;        // the longest time without an event, in milliseconds
  #lanes = new Map(); // by way in: {first, last, missing}
  #at = null;         // when the last event arrived; null: nothing is awaited

  // arrived counts event n of a way in. It returns false for one that was there.
  arrived(via, n, now) {
    const lane = this.#lanes.get(via) ?? { first: n, last: n - 1, missing: new Set() };
    this.#lanes.set(via, lane);
    this.longest = this.silence(now) > this.longest ? this.silence(now) : this.longest;
    this.#at = now;
    if (n > lane.last) {
      for (let skipped = lane.last + 1; skipped < n; skipped++) lane.missing.add(skipped);
      lane.last = n;
    } else if (lane.missing.delete(n)) {
      this.reordered++;
    } else {
      this.doubled++;
      return false;
    }
    this.received++;
    return true;
  }

  // lost is how many were passed over: a later one of the same way is here.
  get lost() {
    return this.#sum((lane) => lane.missing.size);
  }

  // sent is how many of the accepted ones should arrive; accepted is the newest
  // number by way in.
  sent(accepted) {
    return this.#sum((lane, via) => Math.max(accepted[via] ?? 0, lane.last) - lane.first + 1);
  }

  // silence is for how long nothing has arrived, in milliseconds.
  silence(now) { return this.#at === null ? 0 : now - this.#at; }

  // rest says that nothing is sent at the moment, so that silence means nothing.
  rest() { this.#at = null; }

  #sum(of) {
    let all = 0;
    for (const [via, lane] of this.#lanes) all += of(lane, via);
    return all;
  }
}
