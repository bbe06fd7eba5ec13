"""The channel `mail`: SMTP, encrypted unless the settings say otherwise."""

import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime, localtime

from dpm_assets.alerts.channels import DeliveryFailed, within
from dpm_assets.alerts.messages import Message
from dpm_assets.alerts.settings import AlertSettings
from dpm_assets.errors import DpmError

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_OWN_MACHINE = {"localhost", "127.0.0.1", "::1"}
_LONGEST_SUBJECT = 150


@dataclass(frozen=True, repr=False)
class Mail:
    host: str
    port: int
    security: str
    sender: str
    recipients: tuple[str, ...]
    user: str | None = None
    password: str | None = None
    timeout: float = 10.0
    name: str = field(default="mail", init=False)

    @property
    def where(self) -> str:
        return f"{', '.join(self.recipients)} by {self.host}:{self.port}"

    @classmethod
    def from_settings(cls, given: AlertSettings) -> "Mail":
        """Raises DpmError that names the setting which is missing or cannot be used."""
        if not given.smtp_host or not given.mail_to:
            raise DpmError("Mail needs both DPM_ALERT_SMTP_HOST and DPM_ALERT_MAIL_TO: set the one that is missing.")
        if any("@" not in address or not address.isprintable() for address in [*given.mail_to, given.mail_from or "@"]):
            raise DpmError(
                "DPM_ALERT_MAIL_TO and DPM_ALERT_MAIL_FROM hold addresses such as ops@example.com. Correct them."
            )
        password = given.smtp_password.get_secret_value() if given.smtp_password else None
        if bool(given.smtp_user) != bool(password):
            raise DpmError("DPM_ALERT_SMTP_USER and DPM_ALERT_SMTP_PASSWORD go together: set both, or neither.")
        if password and given.smtp_security == "none" and given.smtp_host not in _OWN_MACHINE:
            raise DpmError("A password is not sent without encryption: set DPM_ALERT_SMTP_SECURITY to starttls or tls.")
        return cls(
            host=given.smtp_host,
            port=given.smtp_port or _PORTS[given.smtp_security],
            security=given.smtp_security,
            sender=given.mail_from or given.mail_to[0],
            recipients=tuple(given.mail_to),
            user=given.smtp_user,
            password=password,
            timeout=given.smtp_timeout_seconds,
        )

    def send(self, message: Message) -> str | None:
        """Taken when the server has taken it for one recipient at least: sent again, it would reach those twice."""
        try:
            refused = within(self.timeout, lambda: self._send(self._mail(message)))
        except smtplib.SMTPRecipientsRefused:
            raise DeliveryFailed("the mail server refused every recipient") from None
        except smtplib.SMTPAuthenticationError as error:
            raise DeliveryFailed(f"the mail server refused the login ({error.smtp_code})") from None
        except smtplib.SMTPResponseException as error:
            raise DeliveryFailed(f"the mail server answered {error.smtp_code}") from None
        except smtplib.SMTPNotSupportedError:
            raise DeliveryFailed(f"the mail server does not offer what {self.security} or the login needs") from None
        except smtplib.SMTPException as error:
            raise DeliveryFailed(f"the mail server broke off ({type(error).__name__})") from None
        except ssl.SSLCertVerificationError as error:
            raise DeliveryFailed(f"the mail server's certificate is not trusted: {error.verify_message}") from None
        except OSError as error:
            raise DeliveryFailed(
                f"the mail server cannot be reached ({error.strerror or type(error).__name__})"
            ) from None
        return f"refused for {', '.join(refused)}" if refused else None

    def _send(self, mail: EmailMessage) -> list[str]:
        """The recipients that were refused, if others were not."""
        context = ssl.create_default_context()
        if self.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout, context=context)
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=self.timeout)
        try:
            if self.security == "starttls":
                server.starttls(context=context)
            if self.user and self.password:
                server.login(self.user, self.password)
            refused = list(server.send_message(mail, self.sender, list(self.recipients)))
            with suppress(smtplib.SMTPException, OSError):  # the mail is taken, however the farewell goes
                server.quit()
            return refused
        finally:
            server.close()

    def _mail(self, message: Message) -> EmailMessage:
        """The id of the message is the mail's too, and what follows in an incident is a reply to its first."""
        mail = EmailMessage()
        mail["Subject"] = message.headline[:_LONGEST_SUBJECT]
        mail["From"] = self.sender
        mail["To"] = ", ".join(self.recipients)
        mail["Date"] = format_datetime(localtime())
        mail["Message-ID"] = f"<{message.id}@dpm-alerts>"
        if message.event in ("worsened", "resolved"):
            mail["In-Reply-To"] = mail["References"] = f"<{message.incident}-opened@dpm-alerts>"
        mail["Auto-Submitted"] = "auto-generated"
        details = "\n".join(f"{name}: {value}" for name, value in message.details.items())
        mail.set_content(f"{message.text}\n\n{details}\n\nincident {message.incident}\n")
        return mail
