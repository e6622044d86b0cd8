"""What the domain events become, written down once more: neither the source's table nor the contract's decides what is right."""

# Domain event as services spell it -> (client type, route): the table of proto/README.md.
EVENT_TABLE = {
    "MessagePosted": ("chat.message.posted", "chat"),
    "message.created": ("chat.message.posted", "chat"),
    "message.posted": ("chat.message.posted", "chat"),
    "MessageEdited": ("chat.message.edited", "chat"),
    "message.edited": ("chat.message.edited", "chat"),
    "MessageDeleted": ("chat.message.deleted", "chat"),
    "message.deleted": ("chat.message.deleted", "chat"),
    "StatusChanged": ("task.updated", "chat"),
    "chat.status_changed": ("chat.status_changed", "chat"),
    "TaskUpdated": ("task.updated", "chat"),
    "task.updated": ("task.updated", "chat"),
    "task.status_changed": ("task.updated", "chat"),
    "task.assigned": ("task.updated", "chat"),
    "task.created": ("task.created", "chat"),
    **{
        f"chat.{name}": (f"chat.{name}", "chat")
        for name in (
            "created updated deleted member_added member_removed type_changed renamed priority_set severity_set "
            "user_assigned assignee_removed due_date_set due_date_removed closed reopened"
        ).split()
    },
    "NotificationCreated": ("notification.new", "user"),
    "notification.created": ("notification.new", "user"),
}
