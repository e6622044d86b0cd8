"""The domain service that authorization.mode request asks, as a thread."""
import json
import socket
import threading

from .waiting import eventually


def allow(_question):
    return {"allowed": True}


def deny(_question):
    return {"allowed": False}


def say_nothing(_question):
    return None


class AuthorizationService:
    def __init__(self, stack, decide=allow):
        """`decide(question)` gives the answer: a dict, bytes as they are, or None for none. It may be replaced."""
        self.decide = decide
        self.questions = []  # all that came, in order
        self.held = []  # (question, where its answer goes): those that were not answered
        self._lock = threading.Lock()
        self._client = stack.nats_client()
        self._client._socket.settimeout(None)
        self._client.subscribe("roomcast.authz.subscribe")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._client._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._client.close()

    def _run(self):
        try:
            while True:
                data, reply = self._client.next_request()
                self._work_on(json.loads(data), reply)
        except (AssertionError, OSError):  # closed, or NATS is
            return

    def _work_on(self, question, reply):
        with self._lock:
            self.questions.append(question)
            answer = self.decide(question)
            if answer is None:
                self.held.append((question, reply))
            else:
                self._answer(reply, answer)

    def _answer(self, reply, answer):
        self._client.send_message(reply, answer if isinstance(answer, bytes) else json.dumps(answer))

    def release(self, decide=allow):
        """Answers those that are held. Returns how many."""
        with self._lock:
            held, self.held = self.held, []
            for question, reply in held:
                self._answer(reply, decide(question))
            return len(held)

    def expect_asked(self, count):
        """Waits until so many have come; more is a fault."""
        eventually(lambda: len(self.questions) >= count, what=f"{count} questions")
        assert len(self.questions) == count, self.questions
