"""Who is in the demo, with a password that everybody knows. Never made in production."""

from dataclasses import dataclass

from evalhub.accounts.models import Role, User

PASSWORD = "evalhub demo"  # noqa: S105 (documented, and refused in production)


@dataclass(frozen=True)
class Person:
    username: str
    name: str
    role: Role
    does: str
    superuser: bool = False

    @property
    def email(self) -> str:
        return f"{self.username}@demo.example.org"


PEOPLE = (
    Person("admin.demo", "Ines (admin)", Role.ADMIN, "admin: data, training, studies", superuser=True),
    Person("expert.demo", "Noor (expert)", Role.EXPERT, "expert: rates, blind"),
    Person("expert2.demo", "Olu (expert)", Role.EXPERT, "expert: rates, blind"),
    Person("pm.demo", "Mara (PM)", Role.PM, "PM: reads the reports"),
)


def open_to_everybody(*, making: bool) -> list[str]:
    """User names of the demo that anyone can log in with; `making`: those that the demo is about to make count too."""
    there = {user.username: user for user in User.objects.filter(username__in=[person.username for person in PEOPLE])}
    known = {name for name, user in there.items() if user.is_active and user.check_password(PASSWORD)}
    if making:
        known |= {person.username for person in PEOPLE} - set(there)
    return sorted(known)
