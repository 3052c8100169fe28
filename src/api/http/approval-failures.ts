/** The approver, or whoever asks, is not the one for it. */
export const APPROVAL_FORBIDDEN = ['APPROVAL_OWN_REQUEST', 'APPROVAL_NOT_LISTED', 'APPROVAL_NOT_YOURS'] as const

/** What cannot be done with an approval as it stands. */
export const APPROVAL_CONFLICTS = [
  'APPROVAL_GIVEN',
  'APPROVAL_EXPIRED',
  'APPROVAL_DENIED',
  'APPROVAL_USED',
  'APPROVAL_PENDING',
  'APPROVAL_DELAYED',
  'APPROVAL_MISMATCH',
  'APPROVAL_CHANGED',
] as const
