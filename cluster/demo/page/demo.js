// The demo chat's page: both users, each with a connection of their own.
import { ask } from "./api.js";
import { Drawer } from "./drawer.js";
import { NodeBar } from "./nodebar.js";
import { Pane } from "./pane.js";

// The client comes from a node, of which one may be dead just now.
async function importClient(nodes) {
  for (const { script } of nodes) {
    try {
      return await import(script);
    } catch {
      // The next one.
    }
  }
  throw new Error("No node gives the client (/roomcast.js). Does cluster/quickstart still run?");
}

async function start() {
  const setup = await ask("GET", "/setup");
  const { connect } = await importClient(setup.nodes);
  const panes = document.getElementById("panes");
  const drawer = new Drawer(document.getElementById("drawer"), document.getElementById("drawer-button"));
  const nodebar = new NodeBar(document.getElementById("nodes"), setup.nodes, setup.users, showFault);
  const shared = { connect, setup, nodebar, drawer };
  Object.keys(setup.users).forEach((user, index) => {
    const pane = new Pane(shared, user, index % setup.nodes.length);
    panes.append(pane.element);
    pane.start();
  });
  nodebar.watch();
}

function showFault(text) {
  const fault = document.getElementById("fault");
  fault.textContent = text;
  fault.hidden = false;
}

start().catch((error) => showFault(error.message));
