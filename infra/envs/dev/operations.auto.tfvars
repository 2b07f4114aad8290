# The specification's budget (§7).
monthly_budget_usd = 500

billing_account = "01A2B3-C4D5E6-F70819"
finance_email   = "finance@bytereview.ai"
repository_url  = "https://github.com/bytereview/bytereview/blob/main"

console_members = {
  releaser = {
    developers = "group:developers@bytereview.ai"
    pipeline   = "serviceAccount:bytereview-tf-deployer@br-dev-4821.iam.gserviceaccount.com"
  }
}
