using System.ClientModel;
using System.Text;
using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Generation;
using OpenAI.Responses;

namespace Kotonoha.Server.Tests;

/// <summary>Responses through the official client.</summary>
public sealed class ResponsesTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private ResponsesClient Client => fixture.Server.OpenAI().GetResponsesClient();

    [Fact]
    public async Task A_response_is_the_engines_text_and_a_later_one_goes_on_with_it()
    {
        using var reference = fixture.Server.Reference();
        var first = (await Client.CreateResponseAsync(Options("hello", 6))).Value;
        var expected = await reference.CompleteAsync(new GenerationRequest
        {
            Turns = [new ChatTurn(ChatTurn.User, "hello")],
            MaxOutputTokens = 6,
        });
        Assert.Equal(expected.Text, first.GetOutputText());
        Assert.Equal(ResponseStatus.Incomplete, first.Status);
        Assert.Equal(6, first.Usage.OutputTokenCount);

        var options = Options("and then", 6);
        options.PreviousResponseId = first.Id;
        var second = (await Client.CreateResponseAsync(options)).Value;
        var further = await reference.CompleteAsync(new GenerationRequest
        {
            Turns =
            [
                new ChatTurn(ChatTurn.User, "hello"), new ChatTurn(ChatTurn.Assistant, expected.Text),
                new ChatTurn(ChatTurn.User, "and then"),
            ],
            MaxOutputTokens = 6,
        });
        Assert.Equal(further.Text, second.GetOutputText());
        Assert.Equal(first.Id, (await Client.GetResponseAsync(first.Id)).Value.Id);
        await Client.DeleteResponseAsync(first.Id);
        Assert.Equal(404, (await Assert.ThrowsAsync<ClientResultException>(() => Client.GetResponseAsync(first.Id))).Status);
    }

    [Fact]
    public async Task A_streamed_response_tells_of_each_step_in_order()
    {
        var options = Options("hello", 6);
        options.StreamingEnabled = true;
        var text = new StringBuilder();
        var kinds = new List<string>();
        int number = 0;
        await foreach (var update in (await Client.CreateResponseStreamingAsync(options)))
        {
            Assert.Equal(number++, update.SequenceNumber);
            kinds.Add(update.GetType().Name);
            if (update is StreamingResponseOutputTextDeltaUpdate delta)
                text.Append(delta.Delta);
            if (update is StreamingResponseIncompleteUpdate end)
                Assert.Equal(text.ToString(), end.Response.GetOutputText());
        }

        Assert.Equal("StreamingResponseCreatedUpdate", kinds[0]);
        Assert.Equal("StreamingResponseIncompleteUpdate", kinds[^1]);
        Assert.Contains("StreamingResponseOutputItemAddedUpdate", kinds);
        Assert.Contains("StreamingResponseOutputTextDoneUpdate", kinds);
        Assert.Equal((await Client.CreateResponseAsync(Options("hello", 6))).Value.GetOutputText(), text.ToString());
    }

    [Fact]
    public async Task A_function_is_called_and_its_output_taken_back()
    {
        var options = Options("hello", 200);
        options.Tools.Add(ResponseTool.CreateFunctionTool("count", BinaryData.FromString(
            """{"type":"object","properties":{"to":{"type":"integer","minimum":1,"maximum":9}},"required":["to"]}"""),
            strictModeEnabled: true));
        options.ToolChoice = ResponseToolChoice.CreateRequiredChoice();
        var first = (await Client.CreateResponseAsync(options)).Value;
        var call = first.OutputItems.OfType<FunctionCallResponseItem>().First();
        Assert.Equal("count", call.FunctionName);
        using (var arguments = JsonDocument.Parse(call.FunctionArguments))
            Assert.InRange(arguments.RootElement.GetProperty("to").GetInt32(), 1, 9);
        var next = new CreateResponseOptions { Model = RunningServer.Model, PreviousResponseId = first.Id, MaxOutputTokenCount = 5 };
        next.InputItems.Add(ResponseItem.CreateFunctionCallOutputItem(call.CallId, "done"));
        Assert.Equal(5, (await Client.CreateResponseAsync(next)).Value.Usage.OutputTokenCount);
    }

    private static CreateResponseOptions Options(string text, int tokens)
    {
        var options = new CreateResponseOptions { Model = RunningServer.Model, MaxOutputTokenCount = tokens };
        options.InputItems.Add(ResponseItem.CreateUserMessageItem(text));
        return options;
    }
}
