// Judges the numbers of the events that a page gets: in each epoch every one must be one more than the last.

export class Continuity {
  constructor() {
    this.epoch = "";
    this.seq = 0;
    this.received = 0;
    this.lost = 0;
    this.twice = 0;
  }

  // Where the room was joined, or loaded anew: what lies before is known by other ways.
  moveTo(position) {
    this.epoch = position.epoch;
    this.seq = position.seq;
  }

  take(event) {
    if (event.epoch !== this.epoch) {
      this.epoch = event.epoch;
      this.seq = event.seq - 1;
    }
    this.received += 1;
    if (event.seq <= this.seq) {
      this.twice += 1;
      return;
    }
    this.lost += event.seq - this.seq - 1;
    this.seq = event.seq;
  }
}
