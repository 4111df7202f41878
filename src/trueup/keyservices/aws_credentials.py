"""Where AWS's own tools find credentials: the environment, profiles in files, web identities, containers, the machine.

Called by `services.py`. Source: the AWS SDKs and Tools Reference Guide (standardized credential providers).
"""

from __future__ import annotations

import configparser
import json
import shlex
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from trueup.keyservices.aws import Credentials, assumed, endpoint, given
from trueup.keyservices.web import Answer, ask
from trueup.sops import NoKey

_CONTAINER = "http://169.254.170.2"
_METADATA = "http://169.254.169.254"
_METADATA_SECONDS = 2.0
_SESSION = "sops"
_CHAIN = 5
"""Profiles that name each other."""


class Chain:
    """The providers in their order; what was found is kept, by region and profile."""

    def __init__(self, environment: Mapping[str, str], home: Path) -> None:
        self._env, self._home = environment, home
        self._had: dict[tuple[str, str], Credentials] = {}

    def __call__(self, region: str, profile: str) -> Credentials:
        """A key's own profile comes before everything else. `NoKey` says what was looked for."""
        if (region, profile) not in self._had:
            self._had[region, profile] = self._found(region, profile)
        return self._had[region, profile]

    def _found(self, region: str, profile: str) -> Credentials:
        env = self._env
        if not profile and env.get("AWS_ACCESS_KEY_ID") and env.get("AWS_SECRET_ACCESS_KEY"):
            return Credentials(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env.get("AWS_SESSION_TOKEN", ""))
        if not profile and env.get("AWS_WEB_IDENTITY_TOKEN_FILE") and env.get("AWS_ROLE_ARN"):
            return self._by_identity(env["AWS_WEB_IDENTITY_TOKEN_FILE"], env["AWS_ROLE_ARN"], region)
        named = profile or env.get("AWS_PROFILE") or ""
        found = self._by_profile(named or "default", region, required=bool(named))
        return found or self._by_container() or self._by_machine()

    def _by_identity(self, file: str, role: str, region: str) -> Credentials:
        try:
            token = Path(file).read_text().strip()
        except OSError as problem:
            raise NoKey(f"AWS_WEB_IDENTITY_TOKEN_FILE cannot be read: {problem.strerror}") from problem
        asked = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": role,
            "RoleSessionName": self._env.get("AWS_ROLE_SESSION_NAME") or _SESSION,
            "WebIdentityToken": token,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        answer = ask("POST", endpoint("sts", region, self._env), headers=headers, body=urlencode(asked).encode())
        return given(answer, f"AWS does not let {role} be assumed by web identity")

    # -- profiles -------------------------------------------------------------------------------------------------

    def _profiles(self) -> dict[str, dict[str, str]]:
        """Of both files; the credentials file wins."""
        found: dict[str, dict[str, str]] = {}
        files = (
            self._env.get("AWS_CONFIG_FILE") or self._home / ".aws" / "config",
            self._env.get("AWS_SHARED_CREDENTIALS_FILE") or self._home / ".aws" / "credentials",
        )
        for file in files:
            parser = configparser.RawConfigParser(default_section="", strict=False)
            try:
                parser.read_string(Path(file).read_text())
            except FileNotFoundError:
                continue
            except (OSError, configparser.Error, UnicodeDecodeError):
                raise NoKey(f"{file} cannot be read") from None  # the parser's message quotes the line
            for section in parser.sections():
                found.setdefault(section.removeprefix("profile ").strip(), {}).update(parser.items(section))
        return found

    def _by_profile(self, name: str, region: str, *, required: bool) -> Credentials | None:
        profiles = self._profiles()
        if name not in profiles:
            if required:
                raise NoKey(f"there is no AWS profile {name!r} in ~/.aws/config or ~/.aws/credentials")
            return None
        return self._of(profiles, name, region, _CHAIN)

    def _of(self, profiles: Mapping[str, Mapping[str, str]], name: str, region: str, left: int) -> Credentials | None:
        profile = profiles.get(name)
        if profile is None or not left:
            raise NoKey(
                f"the AWS profile {name!r} is not there" if left else "AWS profiles name each other in a circle"
            )
        own = profile.get("aws_access_key_id"), profile.get("aws_secret_access_key")
        role, source = profile.get("role_arn"), profile.get("source_profile")
        if role and (file := profile.get("web_identity_token_file")):
            return self._by_identity(file, role, region)
        if role and source:
            if source == name and all(own):
                base: Credentials | None = _static(profile)
            else:
                base = self._of(profiles, source, region, left - 1)
            if base is None:
                raise NoKey(f"the AWS profile {source!r} has no credentials")
            url, session = endpoint("sts", region, self._env), profile.get("role_session_name") or _SESSION
            return assumed(base, role, session, region, url, datetime.now(UTC))  # noqa: TID251  # this is the shell
        if all(own):
            return _static(profile)
        if command := profile.get("credential_process"):
            return _by_command(name, command)
        if profile.get("sso_session") or profile.get("sso_start_url"):
            raise NoKey(
                f"the AWS profile {name!r} uses single sign-on: export its credentials to the environment first"
            )
        return None

    # -- containers and machines ------------------------------------------------------------------------------------

    def _by_container(self) -> Credentials | None:
        env = self._env
        path, url = env.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        if not path and not url:
            return None
        token = env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
        if file := env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
            try:
                token = Path(file).read_text().strip()
            except OSError as problem:
                raise NoKey(f"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE cannot be read: {problem.strerror}") from problem
        headers = {"Authorization": token} if token else {}
        return _from_json(ask("GET", f"{_CONTAINER}{path}" if path else str(url), headers=headers), "the container")

    def _by_machine(self) -> Credentials:
        nowhere = (
            "there are no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE for a profile "
            "of ~/.aws/credentials"
        )
        if self._env.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            raise NoKey(nowhere)
        root = (self._env.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or _METADATA).rstrip("/")
        try:
            ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "300"}
            token = ask("PUT", f"{root}/latest/api/token", headers=ttl, seconds=_METADATA_SECONDS)
            if not token.ok:
                raise NoKey("no token")
            headers = {"X-aws-ec2-metadata-token": token.body.decode("ascii", "replace")}
            base = f"{root}/latest/meta-data/iam/security-credentials/"
            role = ask("GET", base, headers=headers, seconds=_METADATA_SECONDS)
            if not role.ok or urlsplit(name := role.body.decode("ascii", "replace").strip()).netloc or "/" in name:
                raise NoKey("no role")
            return _from_json(ask("GET", base + name, headers=headers, seconds=_METADATA_SECONDS), "the machine")
        except NoKey:
            raise NoKey(nowhere) from None


def _static(profile: Mapping[str, str]) -> Credentials:
    return Credentials(
        profile["aws_access_key_id"], profile["aws_secret_access_key"], profile.get("aws_session_token", "")
    )


def _by_command(profile: str, command: str) -> Credentials:
    failed = f"the credential_process of the AWS profile {profile!r}"
    try:
        done = subprocess.run(shlex.split(command), capture_output=True, timeout=60, check=False)
        found = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        found = None
    if not isinstance(found, dict) or not found.get("AccessKeyId"):
        raise NoKey(f"{failed} gave no credentials")
    return Credentials(
        str(found["AccessKeyId"]), str(found.get("SecretAccessKey") or ""), str(found.get("SessionToken") or "")
    )


def _from_json(answer: Answer, who: str) -> Credentials:
    found = answer.json()
    if not answer.ok or not found.get("AccessKeyId"):
        raise NoKey(f"{who} gave no AWS credentials: {answer.status}")
    return Credentials(
        str(found["AccessKeyId"]), str(found.get("SecretAccessKey") or ""), str(found.get("Token") or "")
    )
