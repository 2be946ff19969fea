using System.Text;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Tests.Answering;

/// <summary>Questions that lean on the conversation before them.</summary>
public sealed class FollowUpTests : IAsyncLifetime, IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private KnowledgeBase _knowledge = null!;

    public async Task InitializeAsync()
    {
        _knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        await AddAsync("plans.md", """
            # Plans

            The Sprout plan costs 48 euros per month. The Garden plan costs 180 euros per month.

            The API key of the vector store is renewed every 90 days, because old keys leak. It is renewed by the Knowledge Desk.
            """);
        await AddAsync("houses.md", "# Houses\n\nThe library opens at nine. The museum opens at eleven and is closed on Mondays.\n");
        await AddAsync("ja.md", "# 料金\n\nスプラウトプランの料金は月額48ユーロである。\n\nガーデンプランの料金は月額180ユーロである。\n");
    }

    public async Task DisposeAsync() => await _knowledge.DisposeAsync();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("And the Garden plan?", "How much does the Sprout plan cost?", "How much does the Garden plan cost?")]
    [InlineData("What about Garden?", "How much does the Sprout plan cost?", "How much does the Garden plan cost?")]
    [InlineData("And in 2024?", "How many guests came in 2023?", "How many guests came in 2024?")]
    [InlineData("And in 2024?", "What did the Sprout plan cost?", "What did the Sprout plan cost in 2024?")]
    [InlineData("And the museum?", "When does the library open?", "When the museum open?")]
    [InlineData("And its fuel filter?", "How often is the engine oil of the Heron changed?", "How often the fuel filter Heron changed?")]
    [InlineData("副院長は？", "院長は誰ですか。", "副院長は誰ですか。")]
    [InlineData("海外は？", "国内出張の日当はいくらですか。", "海外の日当はいくらですか。")]
    [InlineData("では宿泊費の上限は？", "国内出張の日当はいくらですか。", "宿泊費の上限はいくらですか。")]
    [InlineData("札幌の場合は？", "宿泊費の上限はいくらですか。", "札幌の宿泊費の上限はいくらですか。")]
    [InlineData("Why is it renewed?", "How often is the API key renewed?", "Why is it renewed (API key)?")]
    [InlineData("Why?", "How often is the API key renewed?", "Why (API key renewed)?")]
    [InlineData("ガーデンプランは？", "スプラウトプランの料金はいくらですか。", "ガーデンプランの料金はいくらですか。")]
    [InlineData("その料金はいくらですか。", "スプラウトプランとは何ですか。", "スプラウトプランについて、その料金はいくらですか。")]
    public void A_question_that_leans_on_the_one_before_is_completed_from_it(string question, string before, string completed)
        => Assert.Equal(completed, FollowUp.Complete(question, [before]));

    [Theory]
    [InlineData("How much does the Garden plan cost?")]
    [InlineData("Is there a plan for schools?")]
    [InlineData("Who renews the key that leaked?")]
    [InlineData("ガーデンプランの料金はいくらですか。")]
    public void A_question_that_is_complete_stays_as_it_is(string question)
    {
        Assert.Equal(question, FollowUp.Complete(question, ["How often is the API key renewed?"]));
        Assert.Equal("Why?", FollowUp.Complete("Why?", []));
    }

    [Fact]
    public void A_chain_of_questions_is_followed_to_its_beginning()
        => Assert.Equal("How much does the Garden plan cost?",
            FollowUp.Complete("And the Garden plan?", ["How much does the Sprout plan cost?", "And the Seed plan?"]));

    [Theory]
    [InlineData("How much does the Sprout plan cost?", "And the Garden plan?", "180 euros")]
    [InlineData("How often is the API key of the vector store renewed?", "Who renews it?", "Knowledge Desk")]
    [InlineData("When does the library open?", "And the museum?", "eleven")]
    [InlineData("スプラウトプランの料金はいくらですか。", "ガーデンプランは？", "180ユーロ")]
    public async Task The_answer_of_a_turn_needs_the_turn_before(string before, string question, string answer)
    {
        var history = new ChatMessage[] { new(ChatRole.User, before), new(ChatRole.Assistant, "…") };
        var answered = await _knowledge.AskAsync(question, null, new AskOptions { History = history });
        Assert.Contains(answer, answered.Found ? answered.Citations[0].Quote : answered.Text);
        Assert.Equal(question, answered.Question);
        Assert.NotNull(answered.CompletedQuestion);
    }

    [Fact]
    public async Task A_chat_model_rewrites_the_question_and_what_is_no_rewriting_is_left_aside()
    {
        ChatMessage[] history = [new(ChatRole.User, "How much does the Sprout plan cost?"), new(ChatRole.Assistant, "48 euros.")];
        var options = new AskOptions { History = history };
        var chat =
            new Kotonoha.Tests.Support.ScriptedChatClient("How much is the Garden plan per month?",
                "The Garden plan costs 180 euros per month [1].");
        var answer = await _knowledge.AskAsync("And Garden?", chat, options);
        Assert.Equal(("And Garden?", "How much is the Garden plan per month?"), (answer.Question, answer.CompletedQuestion));
        Assert.Equal((AnsweredBy.Model, "The Garden plan costs 180 euros per month. [1]"), (answer.AnsweredBy, answer.Text));
        Assert.Contains("user: How much does the Sprout plan cost?\nassistant: 48 euros.\n\nAnd Garden?", chat.Requests[0][1].Text);

        foreach (var reply in (string[])["", "The Garden plan costs 99 euros.", "How much?\nSee above."])
        {
            chat = new Kotonoha.Tests.Support.ScriptedChatClient(reply, "NOT FOUND");
            Assert.Equal("How much does the Garden plan cost?",
                (await _knowledge.AskAsync("And Garden?", chat, options)).CompletedQuestion);
        }
    }

    private Task AddAsync(string source, string text)
        => _knowledge.AddDocumentAsync(source, new MemoryStream(Encoding.UTF8.GetBytes(text)));
}
