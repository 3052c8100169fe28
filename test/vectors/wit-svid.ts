/** SPIFFE WIT-SVID (experimental branch), appendix A. The public key of its issuer is not published. */
export const WIT_SVID_APPENDIX_A = {
  token: [
    'eyJhbGciOiJFUzI1NiIsImtpZCI6ImxRU2kzaFpGbmRhMkQtWEprajF6bDdmb0pvdWl3STRuckF5aHk0alppSmciLCJ0eXAiOiJ3aXQrand0In0',
    [
      'eyJjbmYiOnsiandrIjp7ImFsZyI6IkVTMjU2IiwiY3J2IjoiUC0yNTYiLCJrdHkiOiJFQyIsIngiOiJyelA3bUxDS0FIV21zTTZYMEV3VklTQ19o',
      'STN1amN1OTVmZlVreWVER0dvIiwieSI6InVPcmZEbGp0WDltM2pZLWhzeWhMSllheHRHa3pEdjVlNWttQ2U1OFo5N2cifX0sImV4cCI6MTc2NTQ1',
      'NjUwMywiaWF0IjoxNzY1NDUyOTAzLCJqdGkiOiIxeWoxOVY0TWNPQXpNY0ZpN3F2c2dfQWdDeGxyWTVFX3g1MDl3bEtLUXRjIiwic3ViIjoic3Bp',
      'ZmZlOi8vZXhhbXBsZS5jb20vbXktd29ya2xvYWQifQ',
    ].join(''),
    'sfhEvZNdY_kWrICF08lX0u__rn39YnTavnW-VPBS20zgowDh6-X43v5eOUKZbjZf06yLBQM-Mry5w1g1QFsCkg',
  ].join('.'),
  subject: 'spiffe://example.com/my-workload',
  expiresAt: 1_765_456_503,
  key: {
    kty: 'EC',
    crv: 'P-256',
    x: 'rzP7mLCKAHWmsM6X0EwVISC_hI3ujcu95ffUkyeDGGo',
    y: 'uOrfDljtX9m3jY-hsyhLJYaxtGkzDv5e5kmCe58Z97g',
  },
} as const
