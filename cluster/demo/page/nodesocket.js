// A WebSocket for the client that goes to one node of several, as a load balancer before them would send it, and shows all
// frames to whoever looks on.

// route: { urls, choice, socket, losesPosition }: choice is the place in urls of the node that is tried, which moves on after
// each connection that failed or broke; socket is the last one; with losesPosition the next `since` that is sent is one that no
// node knows. observe(direction, text): "in" or "out".
export function nodeSocket(route, observe) {
  return class NodeSocket extends WebSocket {
    constructor(url, protocols) {
      super(route.urls[route.choice], protocols);
      route.socket = this;
      this.addEventListener("message", (event) => observe("in", event.data));
      this.addEventListener("close", (event) => {
        if (event.code === 1006) {
          route.choice = (route.choice + 1) % route.urls.length;
        }
      });
    }

    send(text) {
      if (route.losesPosition && text.includes('"subscribe')) {
        route.losesPosition = false;
        text = text.replace(/"epoch":"[^"]*"/g, '"epoch":"lost"');
      }
      observe("out", text);
      super.send(text);
    }
  };
}
