using System.Runtime.CompilerServices;
using System.Text;
using Kotonoha.Foundation;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Tests.Answering;

/// <summary>Answers that come sentence by sentence.</summary>
public sealed class StreamingTests : IAsyncLifetime, IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private KnowledgeBase _knowledge = null!;

    public async Task InitializeAsync()
    {
        _knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")));
        await AddAsync("runbook.md", """
            # On-call runbook

            ## Backups

            Snapshots are taken every night at 02:00 and kept for 14 days. A snapshot is restored on the test machine every first Wednesday.

            ## Keys

            The API key of the vector store is renewed every 90 days by the Knowledge Desk, because old keys leak.
            """);
        await AddAsync("lora.md", "# LoRA\n\nLoRAは2021年にマイクロソフトの研究者が発表した。論文の筆頭著者はエドワード・フーである。\n");
    }

    public async Task DisposeAsync() => await _knowledge.DisposeAsync();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("How long are snapshots kept?")]
    [InlineData("LoRAが発表されたのは何年ですか。")]
    [InlineData("How tall is the Eiffel tower?")]
    public async Task Without_a_model_the_quotations_come_in_order_and_the_answer_is_the_same(string question)
    {
        var asked = await _knowledge.AskAsync(question);
        var updates = await _knowledge.AskStreamingAsync(question).ToListAsync();
        AssertSame(asked, updates);
        Assert.Equal(asked.Citations, updates.OfType<SentenceVerified>().SelectMany(sentence => sentence.Citations));
        Assert.Equal(asked.Text, asked.Found ? string.Join('\n', Sentences(updates)) : asked.Text);
    }

    [Theory]
    [InlineData("How long are snapshots kept?", "Snapshots are kept for 14 days [1]. They are taken every night at 02:00 [1].")]
    [InlineData("How long are snapshots kept?",
        "Snapshots are kept for 14 days. [1] The moon is made of cheese. [1] Snapshots are taken every night at 02:00. [1]")]
    [InlineData("How long are snapshots kept?", "The moon is made of cheese [1]. Snapshots are kept for 14 days [1].")]
    [InlineData("How long are snapshots kept?", "Snapshots are kept for 30 days [1].")]
    [InlineData("How long are snapshots kept?", "Snapshots are kept for 14 days [1]. Snapshots are taken at night, but NOT FOUND.")]
    [InlineData("How long are snapshots kept?", "NOT FOUND")]
    [InlineData("How long are snapshots kept?", "")]
    [InlineData("Who renews the API key of the vector store?",
        "The API key of the vector store is renewed by the Knowledge Desk [1]. Old keys leak [1].")]
    [InlineData("LoRAが発表されたのは何年ですか。", "LoRAは2021年に発表された。[1] 開発には300億円かかった。[1] 論文の筆頭著者はエドワード・フーである。[1]")]
    public async Task With_a_model_the_answer_is_the_same_however_its_text_is_cut(string question, string reply)
    {
        foreach (var style in Enum.GetValues<WritingStyle>())
        {
            var options = new AskOptions { Writing = style };
            var asked = await _knowledge.AskAsync(question, new PiecewiseChatClient(reply, 1), options);
            foreach (int size in (int[])[1, 2, 3, 7, 1000])
            {
                var updates = await _knowledge.AskStreamingAsync(question, new PiecewiseChatClient(reply, size), options).ToListAsync();
                AssertSame(asked, updates);
                if (asked.AnsweredBy == AnsweredBy.Model && asked.Found)
                    Assert.Equal(asked.Text, string.Join(' ', Sentences(updates)));
            }
        }
    }

    [Fact]
    public async Task A_sentence_comes_before_the_model_has_finished_and_unsupported_ones_never_come()
    {
        var chat =
            new PiecewiseChatClient("Snapshots are kept for 14 days [1]. The moon is made of cheese [1]. More will never come.",
                4)
            { StopsAt = "come" };
        await using var updates = _knowledge.AskStreamingAsync("How long are snapshots kept?", chat).GetAsyncEnumerator();
        Assert.True(await updates.MoveNextAsync());
        Assert.Contains(Assert.IsType<PassagesFound>(updates.Current).Hits, hit => hit.Chunk.Source == "runbook.md");
        Assert.True(await updates.MoveNextAsync());
        var sentence = Assert.IsType<SentenceVerified>(updates.Current);
        Assert.Equal("Snapshots are kept for 14 days. [1]", sentence.Text);
        Assert.Contains("14 days", Assert.Single(sentence.Citations).Quote);
        var next = updates.MoveNextAsync().AsTask();
        await chat.Reached.Task;
        Assert.False(next.IsCompleted);
        chat.Continue.SetResult();
        Assert.True(await next);
        Assert.Equal(sentence.Text, Assert.IsType<AnswerCompleted>(updates.Current).Answer.Text);
        Assert.False(await updates.MoveNextAsync());
    }

    [Theory]
    [InlineData("Snapshots are kept for 14 days. They are taken every night at 02:00, I see. So that is it.\n</think>\n"
        + "Snapshots are kept for 14 days [1]. More will never come.", 0)]
    [InlineData("Snapshots are taken every night at 02:00 [1]. So that is it, and the rest of this does not matter at all.\n</think>\n"
        + "Snapshots are kept for 14 days [1]. More will never come.", 1)]
    public async Task Reasoning_that_the_prompt_opened_is_not_told_and_does_not_hold_up_the_answer(string reply, int withdrawn)
    {
        const string Question = "How long are snapshots kept?";
        var chat = new PiecewiseChatClient(reply, 4) { StopsAt = "come" };
        var updates = new List<AnswerUpdate>();
        await foreach (var update in _knowledge.AskStreamingAsync(Question, chat))
        {
            updates.Add(update);

            // The answer comes while the model still writes.
            if (update is SentenceVerified { Text: "Snapshots are kept for 14 days. [1]" })
            {
                await chat.Reached.Task;
                chat.Continue.SetResult();
            }
        }

        Assert.Equal(["Snapshots are kept for 14 days. [1]"], Sentences(updates));
        Assert.Equal(withdrawn, updates.Count(update => update is SentencesWithdrawn));
        AssertSame(await _knowledge.AskAsync(Question, new PiecewiseChatClient(reply, 4)), updates);
    }

    [Fact]
    public async Task What_the_model_takes_back_is_withdrawn()
    {
        const string Question = "How long are snapshots kept?";
        var reply = "Snapshots are kept for 14 days [1]. Apart from this the answer is: NOT FOUND";
        var updates = await _knowledge.AskStreamingAsync(Question, new PiecewiseChatClient(reply, 5)).ToListAsync();
        int withdrawn = updates.FindIndex(update => update is SentencesWithdrawn);
        Assert.True(withdrawn > updates.FindIndex(update => update is SentenceVerified), string.Join(" | ", updates));
        AssertSame(await _knowledge.AskAsync(Question, new PiecewiseChatClient(reply, 5)), updates);
    }

    [Fact]
    public async Task Cancelling_and_leaving_in_the_middle_end_the_model_s_work()
    {
        var reply = "Snapshots are kept for 14 days [1]. The moon is made of cheese [1]. More will never come.";
        using var stop = new CancellationTokenSource();
        var chat = new PiecewiseChatClient(reply, 4) { StopsAt = "come" };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var update in _knowledge.AskStreamingAsync("How long are snapshots kept?", chat, null, stop.Token))
                if (update is SentenceVerified)
                {
                    await chat.Reached.Task;
                    await stop.CancelAsync();
                }
        });
        Assert.True(chat.WasCancelled);

        chat = new PiecewiseChatClient(reply, 4) { StopsAt = "come" };
        await foreach (var update in _knowledge.AskStreamingAsync("How long are snapshots kept?", chat))
            if (update is SentenceVerified)
            {
                await chat.Reached.Task;
                break;
            }
        Assert.True(chat.WasCancelled);
    }

    [Fact]
    public async Task Errors_come_through()
        => await Assert.ThrowsAsync<KotonohaException>(
            async () => await _knowledge.AskStreamingAsync(new string('x', 5000)).ToListAsync());

    private Task AddAsync(string source, string text)
        => _knowledge.AddDocumentAsync(source, new MemoryStream(Encoding.UTF8.GetBytes(text)));

    /// <summary>The sentences that stand at the end.</summary>
    private static List<string> Sentences(List<AnswerUpdate> updates)
        => [.. updates.Skip(updates.FindLastIndex(update => update is SentencesWithdrawn) + 1).OfType<SentenceVerified>()
            .Select(sentence => sentence.Text)];

    private static void AssertSame(Answer asked, List<AnswerUpdate> updates)
    {
        var answer = Assert.IsType<AnswerCompleted>(updates[^1]).Answer;
        Assert.Equal((asked.Question, asked.Found, asked.Text, asked.AnsweredBy),
            (answer.Question, answer.Found, answer.Text, answer.AnsweredBy));
        Assert.Equal(asked.Citations, answer.Citations);
        Assert.Equal(asked.Nearest, answer.Nearest);
        if (!asked.Found)
            Assert.Empty(Sentences(updates));
    }

    /// <summary>Gives one reply in pieces of a size, and waits in the middle where it is told to.</summary>
    private sealed class PiecewiseChatClient(string reply, int size) : IChatClient
    {
        internal string? StopsAt { get; init; }

        internal TaskCompletionSource Reached { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal TaskCompletionSource Continue { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal bool WasCancelled { get; private set; }

        public Task<ChatResponse> GetResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
            => Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, reply)));

        public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null,
            [EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            int stop = StopsAt is null ? int.MaxValue : reply.IndexOf(StopsAt, StringComparison.Ordinal);
            for (int i = 0; i < reply.Length; i += size)
            {
                if (i + size > stop)
                {
                    Reached.TrySetResult();
                    try
                    {
                        await Continue.Task.WaitAsync(cancellationToken);
                    }
                    catch (OperationCanceledException)
                    {
                        WasCancelled = true;
                        throw;
                    }
                }

                yield return new ChatResponseUpdate(ChatRole.Assistant, reply.Substring(i, Math.Min(size, reply.Length - i)));
            }
        }

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }
}
