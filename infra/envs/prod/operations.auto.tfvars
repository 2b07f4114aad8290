# The specification's budget (§7).
monthly_budget_usd = 10000

billing_account = "01A2B3-C4D5E6-F70819"
finance_email   = "finance@bytereview.ai"
repository_url  = "https://github.com/bytereview/bytereview/blob/main"

export_readers = {
  "staging release-agent" = "serviceAccount:brconsole-agent@br-stage-4821.iam.gserviceaccount.com"
}

console_members = {
  operator = { on-call = "group:on-call@bytereview.ai" }
  releaser = {
    pipeline         = "serviceAccount:bytereview-tf-deployer@bytereview-prod.iam.gserviceaccount.com"
    release-managers = "group:release-managers@bytereview.ai"
  }
  viewer = { developers = "group:developers@bytereview.ai" }
}
