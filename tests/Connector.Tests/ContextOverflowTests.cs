using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector.Tests;

/// <summary>Conversations that grow beyond the context.</summary>
public sealed class ContextOverflowTests
{
    private static readonly ChatMessage System = new(ChatRole.System, "Be brief.");

    [Fact]
    public async Task A_conversation_that_does_not_fit_is_refused_by_default()
    {
        using var model = TinyGpt.Create();
        await Assert.ThrowsAsync<ContextOverflowException>(() => new LocalGptChatClient(model).GetResponseAsync(Talk(20)));
    }

    [Fact]
    public async Task Oldest_turns_are_left_out_where_that_is_wanted()
    {
        var logger = new RecordingLogger();
        using var model = TinyGpt.Create(new LocalGptOptions { ContextOverflow = ContextOverflowPolicy.DropOldestTurns });
        var client = new LocalGptChatClient(model, logger);
        foreach (int turns in (int[])[1, 4, 20, 21])
        {
            var response = await client.GetResponseAsync(Talk(turns), new ChatOptions { MaxOutputTokens = 10 });
            Assert.InRange(response.Usage!.InputTokenCount!.Value, 1, TinyGpt.ContextLength - 10);

            // As few as it takes go: one more turn would not have fitted.
            if (turns > 4)
                Assert.InRange(response.Usage.InputTokenCount.Value, TinyGpt.ContextLength - 40, TinyGpt.ContextLength - 10);
        }

        Assert.Single(logger.Warnings, warning => warning.Contains("context", StringComparison.Ordinal));
    }

    [Fact]
    public void System_messages_and_the_last_question_stay_and_calls_keep_their_results()
    {
        ChatMessage[] messages =
        [
            System,
            new(ChatRole.User, "1"),
            new(ChatRole.Assistant, [new FunctionCallContent("a", "f")]),
            new(ChatRole.Tool, [new FunctionResultContent("a", "x")]),
            new(ChatRole.Assistant, "one"),
            new(ChatRole.User, "2"),
            new(ChatRole.Assistant, [new FunctionCallContent("b", "f")]),
            new(ChatRole.Tool, [new FunctionResultContent("b", "y")]),
            new(ChatRole.Assistant, [new FunctionCallContent("c", "f")]),
            new(ChatRole.Tool, [new FunctionResultContent("c", "z")]),
        ];
        Assert.Equal("056789", Kept(9));
        Assert.Equal("056789", Kept(6));
        Assert.Equal("0589", Kept(5));
        Assert.Equal("0589", Kept(1));

        string Kept(int most)
            => string.Concat(ContextWindow.Shorten(messages, shorter => shorter.Count <= most).Select(m => Array.IndexOf(messages, m)));
    }

    [Fact]
    public async Task What_cannot_be_shortened_is_refused_all_the_same()
    {
        using var model = TinyGpt.Create(new LocalGptOptions { ContextOverflow = ContextOverflowPolicy.DropOldestTurns });
        await Assert.ThrowsAsync<ContextOverflowException>(
            () => new LocalGptChatClient(model).GetResponseAsync([System, new ChatMessage(ChatRole.User, new string('x', 300))]));
    }

#pragma warning disable MEAI001 // Still marked as experimental there.
    [Fact]
    public async Task A_reducer_of_the_caller_is_asked_only_when_it_is_needed()
    {
        using var model = TinyGpt.Create();
        var reducer = new LastMessage();
        var client = new LocalGptChatClient(model) { OverflowReducer = reducer };
        await client.GetResponseAsync(Talk(1), new ChatOptions { MaxOutputTokens = 2 });
        Assert.Equal(0, reducer.Calls);
        await client.GetResponseAsync(Talk(20), new ChatOptions { MaxOutputTokens = 2 });
        Assert.Equal(1, reducer.Calls);
    }

    private sealed class LastMessage : IChatReducer
    {
        public int Calls { get; private set; }

        public Task<IEnumerable<ChatMessage>> ReduceAsync(IEnumerable<ChatMessage> messages, CancellationToken cancellationToken)
        {
            Calls++;
            return Task.FromResult<IEnumerable<ChatMessage>>([messages.Last()]);
        }
    }
#pragma warning restore MEAI001

    private static List<ChatMessage> Talk(int turns)
    {
        List<ChatMessage> messages = [System];
        for (int i = 0; i < turns; i++)
        {
            messages.Add(new ChatMessage(ChatRole.User, "the fox?"));
            messages.Add(new ChatMessage(ChatRole.Assistant, "the dog"));
        }

        messages.RemoveAt(messages.Count - 1);
        return messages;
    }
}
