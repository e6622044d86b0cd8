// A list that grows at its end, and stays there unless the user has scrolled away. The layout is asked once a picture at most, not
// with every event of a storm.

const NEAR = 60; // px from the end that still count as there

export class AtEnd {
  constructor(list) {
    this.list = list;
    this.keeps = true;
    this.asked = false;
    this.put = 0; // where it was put last
    list.addEventListener("scroll", () => this.onScroll());
    new ResizeObserver(() => this.grown()).observe(list);
  }

  // force: go there from wherever the user is.
  grown(force = false) {
    this.keeps ||= force;
    if (this.asked || !this.keeps) {
      return;
    }
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.list.scrollTop = this.list.scrollHeight;
      this.put = this.list.scrollTop;
    });
  }

  // Not of the list's own moves: it may have grown again since.
  onScroll() {
    const { scrollHeight, scrollTop, clientHeight } = this.list;
    if (scrollTop !== this.put) {
      this.keeps = scrollHeight - scrollTop - clientHeight < NEAR;
    }
  }
}
