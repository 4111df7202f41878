function(season) {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'banner', labels: { season: season } },
  data: {
    text: 'The %s sale is on' % season,
  },
}
