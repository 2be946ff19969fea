using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;

namespace Kotonoha.EndToEnd.CommandLine;

/// <summary><c>kotonoha judge</c>, <c>vote</c> and <c>ratings</c> as processes.</summary>
[Trait("Category", "EndToEnd")]
public sealed partial class ComparisonTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public ComparisonTests() => File.WriteAllLines(_folder.At("answers.jsonl"),
    [
        """{"prompt": "2+2?", "answers": {"base": "It is 5.", "tuned": "It is 4.", "other": "Four."}}""",
        """{"prompt": "首都は?", "answers": {"base": "大阪", "tuned": "東京です。<b>"}}""",
    ]);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_model_judges_each_pair_in_both_orders_and_is_not_asked_twice()
    {
        SavedModel.Save(_folder.At("judge"), contextLength: 1024);
        string[] judge = ["judge", _folder.At("answers.jsonl"), "--out", _folder.At("votes.jsonl"), "--model", _folder.At("judge")];
        var (code, output, error) = CliProcess.Run(judge);
        Assert.True(code == 0, error);
        Assert.Contains("4 pairs judged in both orders", output, StringComparison.Ordinal);
        Assert.Contains("0 pairs judged in both orders", CliProcess.Run(judge).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task People_vote_on_a_page_and_ratings_follow()
    {
        var address = new TaskCompletionSource<string>();
        using (var page = CliProcess.Start(
            ["vote", _folder.At("answers.jsonl"), "--out", _folder.At("votes.jsonl"), "--name", "ann", "--port", "0"],
            line =>
            {
                if (Address().Match(line) is { Success: true } found)
                    address.TrySetResult(found.Value);
            }))
        {
            using var http = new HttpClient { BaseAddress = new Uri(await address.Task) };
            for (int i = 0; i < 4; i++)
            {
                var shown = await http.GetStringAsync("/");
                Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"{i + 1} / 4"), shown, StringComparison.Ordinal);
                Assert.DoesNotContain("<b>", shown, StringComparison.Ordinal);
                Assert.DoesNotContain("tuned", shown, StringComparison.Ordinal);
                var pair = PairNumber().Match(shown).Groups[1].Value;
                Assert.Equal(HttpStatusCode.BadRequest, (await Vote("forged", pair, "left")).StatusCode);

                // The right answers win; between two right ones nobody does.
                string[] answers = [.. Answer().Matches(shown).Select(m => WebUtility.HtmlDecode(m.Groups[1].Value))];
                bool[] right = [.. answers.Select(a => a is "It is 4." or "Four." or "東京です。<b>")];
                var better = right[0] == right[1] ? "tie" : right[0] ? "left" : "right";
                Assert.True((await Vote(Token().Match(shown).Groups[1].Value, pair, better)).IsSuccessStatusCode);
            }

            Assert.Contains("tuned", await http.GetStringAsync("/"), StringComparison.Ordinal);
            using var elsewhere = new HttpRequestMessage(HttpMethod.Get, "/") { Headers = { Host = "evil.example" } };
            Assert.Equal(HttpStatusCode.Forbidden, (await http.SendAsync(elsewhere)).StatusCode);

            Task<HttpResponseMessage> Vote(string token, string pair, string better) => http.PostAsync("/vote", new FormUrlEncodedContent(
                new Dictionary<string, string> { ["token"] = token, ["pair"] = pair, ["better"] = better }));
        }

        var (code, output, error) = CliProcess.Run(["ratings", _folder.At("votes.jsonl")]);
        Assert.True(code == 0, error);
        var lines = output.Split('\n');
        Assert.Matches(@"^tuned +3 +83[.]3%", lines[1]);
        Assert.Matches(@"^other +2 +75[.]0%", lines[2]);
        Assert.Matches(@"^base +3 +0[.]0%", lines[3]);
    }

    [Fact]
    public void Two_votes_leave_wide_intervals()
    {
        File.WriteAllText(_folder.At("votes.jsonl"), """
            {"id":1,"first":"base","second":"tuned","score":0,"by":"ann"}
            {"id":2,"first":"base","second":"tuned","score":0,"by":"ann"}

            """);
        var (code, output, error) = CliProcess.Run(["ratings", _folder.At("votes.jsonl")]);
        Assert.True(code == 0, error);

        // Wilson's interval of 2 of 2 is from 2 / (2 + 1.96²) to 1.
        Assert.Contains("100.0% (34.2–100.0)", output, StringComparison.Ordinal);
        Assert.Contains("0.0% (0.0–65.8)", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"prompt\": \"a\"}")]
    [InlineData("{\"prompt\": null, \"answers\": {\"one\": \"b\", \"two\": \"c\"}}")]
    [InlineData("{\"prompt\": \"a\", \"answers\": {\"one\": \"b\", \"one\": \"c\"}}")]
    [InlineData("{\"prompt\": \"a\", \"answers\": {\"one\": \"b\"}}")]
    [InlineData("no json")]
    public void A_line_of_another_form_is_named(string line)
    {
        File.AppendAllText(_folder.At("answers.jsonl"), line + "\n");
        var (code, _, error) = CliProcess.Run(["judge", _folder.At("answers.jsonl"), "--out", _folder.At("v.jsonl"), "--model", "none"]);
        Assert.NotEqual(0, code);
        Assert.Contains("answers.jsonl, line 3", error, StringComparison.Ordinal);
    }

    [GeneratedRegex("http://127[.]0[.]0[.]1:[0-9]+")]
    private static partial Regex Address();

    [GeneratedRegex("name=\"pair\" value=\"([0-9]+)\"")]
    private static partial Regex PairNumber();

    [GeneratedRegex("name=\"token\" value=\"([0-9A-F]+)\"")]
    private static partial Regex Token();

    [GeneratedRegex("</h2><pre>([^<]*)</pre>")]
    private static partial Regex Answer();
}
