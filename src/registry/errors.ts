import { errorsOf, type ErrorTable } from '#kernel/errors.ts'

export const REGISTRY_ERRORS = {
  AGENT_NAME_INVALID: 'An agent name has 1 to 63 lower-case letters, digits and dashes, and no dash at either end.',
  AGENT_NAME_TAKEN: 'An agent or retired agent of this name exists. Choose another name.',
  AGENT_PATH_INVALID: 'The path of an agent is /agent/<name>, or /admin/<name> for a person who administers.',
  AGENT_OWNER_REQUIRED: 'Name the person or team that is accountable for this agent, in at most 255 characters.',
  AGENT_SELECTOR_INVALID: 'A selector is <attestor>:<provider>:<fact>, in at most 512 characters.',
  AGENT_SELECTORS_MIXED:
    'All selectors of an agent begin with the same attestor and provider: they come from one evidence.',
  AGENT_DNS_NAME_INVALID: 'A DNS name of an agent is a lower-case host name without wildcards.',
  AGENT_DNS_NAME_RESERVED: 'This DNS name belongs to the server itself. Choose another.',
  AGENT_PERMISSION_INVALID: 'Each permission names one audience once and at least one action.',
  AGENT_AUDIENCE_UNKNOWN: 'No resource is registered for this audience. Add the resource first.',
  AGENT_ACTION_UNKNOWN: 'The resource does not have this action. Add the action to the resource first.',
  AGENT_KEY_CLASS_INVALID: 'Allow at least one key class of software, hsm and tpm, each once; declare one of these.',
  AGENT_LIMIT_INVALID: 'A lifetime or limit of the agent is out of its range.',
  AGENT_UNKNOWN: 'There is no agent of this name.',
  AGENT_SUSPENDED: 'The agent is suspended and gets nothing new. Ask its owner or an operator to resume it.',
  AGENT_RETIRED: 'The agent is retired for good.',
  AGENT_CHANGED: 'The agent has changed meanwhile. Look at it again and repeat the request.',
  AGENT_STATE: 'The agent is not in a state that allows this change.',
  AGENT_NOT_MATCHED: 'No agent is registered for what was attested. An operator can see the reasons in the audit log.',
  AGENT_AMBIGUOUS: 'Several agents are registered for what was attested. Name the agent in the request.',
  KEY_CLASS_NOT_ALLOWED: 'The registration of this agent does not allow keys of this class.',
  ATTESTED_KEY_CHANGED: 'The key class of this instance is attested for one key. Renew with it, or enroll the other.',
  ATTESTATION_TOO_OLD: 'The attestation of this instance is older than its registration allows. Enroll again.',
  INSTANCE_UNKNOWN: 'There is no instance of this id.',
  INSTANCE_NOT_ACTIVE: 'This instance has been revoked or replaced. Enroll again.',
  RESOURCE_AUDIENCE_INVALID: 'An audience is an absolute URI without fragment, in at most 255 characters.',
  RESOURCE_AUDIENCE_TAKEN: 'A resource with this audience exists.',
  RESOURCE_AUDIENCE_RESERVED: 'This audience is the server itself.',
  RESOURCE_OWNER_REQUIRED: 'Name the person or team that is accountable for this resource, in at most 255 characters.',
  RESOURCE_ACTION_INVALID:
    'A resource has 1 to 64 different actions, each of 1 to 128 letters, digits and the marks ._:-/.',
  RESOURCE_SPIFFE_ID_INVALID:
    'Those who act for a resource, and its proxies, are named by at most 64 different SPIFFE IDs of this trust domain.',
  RESOURCE_URL_INVALID: 'The URL of a resource has http or https, a host and no query, fragment or trailing slash.',
} as const satisfies ErrorTable

export const registryError = errorsOf(REGISTRY_ERRORS)
