"""What the demo's server says no with: an HTTP status, a code for programs and a sentence for people."""


class Refused(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status = status
        self.code = code
