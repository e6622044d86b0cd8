// The demo's own service: it keeps the messages, and what changes there it tells Roomcast by Redis.

export async function ask(method, path, body) {
  const request = { method, headers: {}, signal: AbortSignal.timeout(10000) };
  if (body !== undefined) {
    request.headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  let response, answer;
  try {
    response = await fetch(path, request);
    answer = await response.json();
  } catch {
    throw new Error("The demo's server does not answer. Does cluster/quickstart still run?");
  }
  if (!response.ok) {
    throw new Error(answer.error.message);
  }
  return answer;
}
