using Kotonoha.Agents.Prompts;
using Kotonoha.Agents.Reasoning;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tests.Reasoning;

public class ChainOfThoughtTests
{
    private static Task<ReasoningResult> SolveAsync(
        ScriptedChatClient chat, ChainOfThoughtOptions? options = null, string question = "How many?")
        => new ChainOfThoughtAgent(chat, options).SolveAsync(question);

    [Theory]
    [InlineData("2 and 2 is 4.\nAnswer: 4", "4", "2 and 2 is 4.")]
    [InlineData("Because.\n\n**Answer:** 4 apples", "4 apples", "Because.")]
    [InlineData("Because.\n**Final Answer**: **4**", "4", "Because.")]
    [InlineData("Because.\n### Answer\n\n4\n", "4", "Because.")]
    [InlineData("Because.\r\nANSWER: 4\r\n", "4", "Because.")]
    [InlineData("First Answer: is wrong.\nAnswer: 3\nNo, wait.\nAnswer: 4", "4", "First Answer: is wrong.\nAnswer: 3\nNo, wait.")]
    [InlineData("Because.\nAnswer: 4\n\nQuestion: And five?\nAnswer: 9", "4", "Because.")]
    [InlineData("Question: How many?\nTwo pairs.\nAnswer: 4", "4", "Question: How many?\nTwo pairs.")]
    [InlineData("Answer: line one\nline two", "line one\nline two", "")]
    [InlineData("Two pairs make 4. Therefore, the answer is 4.5. This is so because of pairs.", "4.5",
        "Two pairs make 4. Therefore, the answer is 4.5. This is so because of pairs.")]
    [InlineData("二足す二は四。\n答え：4", "4", "二足す二は四。")]
    [InlineData("二足す二は四。\n最終回答: 「四つ」", "四つ", "二足す二は四。")]
    [InlineData("二足す二は四なので、答えは4です。以上。", "4", "二足す二は四なので、答えは4です。以上。")]
    public async Task The_answer_is_separated_from_the_reasoning(string reply, string answer, string reasoning)
    {
        var result = await SolveAsync(new ScriptedChatClient(reply));
        Assert.Equal(answer, result.Answer);
        Assert.Equal(reasoning.ReplaceLineEndings("\n"), result.Reasoning.ReplaceLineEndings("\n"));
        Assert.Equal(StopReason.Answered, result.StopReason);
        Assert.Equal([AgentStepKind.Thought, AgentStepKind.Answer], result.Steps.Select(step => step.Kind));
    }

    [Theory]
    [InlineData("It is four, I think.")]
    [InlineData("Answers: four")]
    [InlineData("My answer: four")]
    [InlineData("Answer:\n")]
    [InlineData("")]
    public async Task A_missing_marker_is_reported_and_nothing_passes_for_an_answer(string reply)
    {
        var result = await SolveAsync(new ScriptedChatClient(reply), new ChainOfThoughtOptions { MaxRepairs = 0 });
        Assert.Null(result.Answer);
        Assert.Equal(StopReason.AnswerMissing, result.StopReason);
        Assert.Equal([AgentStepKind.Note, AgentStepKind.Stopped], result.Steps.Select(step => step.Kind));
        Assert.Contains("no marked answer", result.Steps[0].Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Answer: 4", "4")]
    [InlineData("4", "4")]
    [InlineData("I am\nnot sure", null)]
    public async Task A_missing_marker_is_asked_for_once_more(string second, string? answer)
    {
        var chat = new ScriptedChatClient("Four, I think.", second);
        var result = await SolveAsync(chat, new ChainOfThoughtOptions { MaxRepairs = 1 });
        Assert.Equal(answer, result.Answer);
        Assert.Equal(answer is null ? StopReason.AnswerMissing : StopReason.Answered, result.StopReason);
        if (answer is not null)
            Assert.Equal("Four, I think.", result.Reasoning);
        Assert.Equal(@"([^\n]+\n+)+Answer: [^\n]+", chat.Options[0]!.AdditionalProperties!["regex"]);
        Assert.Equal(@"Answer: [^\n]+", chat.Options[1]!.AdditionalProperties!["regex"]);
        Assert.Equal([ChatRole.System, ChatRole.User, ChatRole.Assistant, ChatRole.User], chat.Requests[1].Select(message => message.Role));
        Assert.Equal("Four, I think.", chat.Requests[1][2].Text);
    }

    [Fact]
    public async Task A_reply_that_was_cut_off_says_so()
    {
        var chat = new ScriptedChatClient().Then("Let me think about", ChatFinishReason.Length).Then("It is", ChatFinishReason.Length);
        var result = await SolveAsync(chat, new ChainOfThoughtOptions { MaxRepairs = 1 });
        Assert.Null(result.Answer);
        Assert.Equal(StopReason.ReplyCutOff, result.StopReason);
        Assert.Contains("cut off", result.Steps[0].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reasoning_that_the_client_keeps_apart_is_taken_over()
    {
        var reply = new ChatMessage(ChatRole.Assistant, [new TextReasoningContent("two pairs"), new TextContent("4")]);
        var chat = new ScriptedChatClient().Then((_, _) => Task.FromResult(new ChatResponse(reply)));
        var result = await SolveAsync(chat);
        Assert.Equal(("4", "two pairs"), (result.Answer, result.Reasoning));
    }

    [Fact]
    public async Task The_usage_of_all_calls_is_summed_and_the_trace_holds_each()
    {
        var chat = new ScriptedChatClient()
            .Then("Hm.", usage: new UsageDetails { InputTokenCount = 10, OutputTokenCount = 5, TotalTokenCount = 15 })
            .Then("Answer: 4", usage: new UsageDetails { InputTokenCount = 20, OutputTokenCount = 2, TotalTokenCount = 22 });
        var result = await SolveAsync(chat);
        Assert.Equal((30, 7, 37), (result.Usage.InputTokenCount, result.Usage.OutputTokenCount, result.Usage.TotalTokenCount));
        Assert.Equal([15L, 22L, null], result.Steps.Select(step => step.Usage?.TotalTokenCount));
        Assert.Equal([1, 2, 2], result.Steps.Select(step => step.Turn));
        Assert.True(result.Elapsed >= result.Steps[0].Elapsed);
    }

    [Fact]
    public async Task Zero_shot_speaks_the_language_of_the_question()
    {
        var chat = new ScriptedChatClient("Answer: 4", "答え：4", "答え：4");
        await SolveAsync(chat, question: "What is <2 + 2>?");
        await SolveAsync(chat, question: "二足す二は？");
        await SolveAsync(chat, new ChainOfThoughtOptions { Language = PromptLanguage.Japanese }, "2 + 2?");
        Assert.Equal("What is <2 + 2>?\nLet's think step by step.", chat.Requests[0][1].Text);
        Assert.Contains("\"Answer:\"", chat.Requests[0][0].Text, StringComparison.Ordinal);
        Assert.Equal("二足す二は？\n順を追って考えましょう。", chat.Requests[1][1].Text);
        Assert.Contains("「答え：」", chat.Requests[1][0].Text, StringComparison.Ordinal);
        Assert.Contains("順を追って", chat.Requests[2][1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Few_shot_shows_chosen_examples_as_turns_in_the_words_of_the_question()
    {
        var chat = new ScriptedChatClient("Answer: 4");
        await SolveAsync(chat, new ChainOfThoughtOptions
        {
            Examples = [new("1 + 1?", "One and one.", "2"), new("</message>?", "Three.", "3"), new("9 + 9?", "Long.", "18")],
            ExampleSelector = new FirstExampleSelector(2),
        });
        Assert.Equal(
            ["system", "user", "assistant", "user", "assistant", "user"],
            chat.Requests[0].Select(message => message.Role.Value));
        Assert.Equal("1 + 1?\nLet's think step by step.", chat.Requests[0][1].Text);
        Assert.Equal("One and one.\nAnswer: 2", chat.Requests[0][2].Text);
        Assert.Equal("</message>?\nLet's think step by step.", chat.Requests[0][3].Text);
    }

    [Fact]
    public async Task Options_are_passed_on_and_cancellation_is_kept()
    {
        var chat = new ScriptedChatClient("Answer: 4");
        await SolveAsync(chat, new ChainOfThoughtOptions { ChatOptions = new ChatOptions { Temperature = 0.25f } });
        Assert.Equal(0.25f, chat.Options[0]!.Temperature);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => new ChainOfThoughtAgent(chat).SolveAsync("q", new CancellationToken(canceled: true)));
        await Assert.ThrowsAsync<ArgumentException>(() => new ChainOfThoughtAgent(chat).RunAsync());
        Assert.Throws<ArgumentNullException>(() => new ChainOfThoughtAgent(null!));
    }
}
