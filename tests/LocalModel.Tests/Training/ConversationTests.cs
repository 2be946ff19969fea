using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Training;

namespace Kotonoha.LocalModel.Tests.Training;

public sealed class ConversationTests
{
    [Fact]
    public void Messages_as_openai_writes_them_are_read_with_functions_and_calls()
    {
        var conversation = Conversation.Parse("""
            {"messages": [
              {"role": "developer", "content": "Be brief."},
              {"role": "user", "content": [{"type": "text", "text": "2 + "}, {"type": "text", "text": "3?"}]},
              {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{\"a\": 2, \"b\": 3}"}}]},
              {"role": "tool", "tool_call_id": "c1", "content": "5"},
              {"role": "assistant", "content": "5", "weight": 0, "reasoning_content": "easy"}],
             "tools": [{"type": "function", "function": {"name": "add"}}]}
            """);
        Assert.Equal([ChatTurn.System, ChatTurn.User, ChatTurn.Assistant, ChatTurn.Tool, ChatTurn.Assistant],
            conversation.Turns.Select(t => t.Role));
        Assert.Equal(["Be brief.", "2 + 3?", "", "5", "5"], conversation.Turns.Select(t => t.Content));
        var call = Assert.Single(conversation.Turns[2].ToolCalls);
        Assert.Equal(("add", "c1", 3), (call.Name, call.Id, call.Arguments.GetProperty("b").GetInt32()));
        Assert.Equal(("c1", "easy"), (conversation.Turns[3].ToolCallId, conversation.Turns[4].Reasoning));
        Assert.Equal([4], conversation.NotLearned);
        Assert.Equal("add", conversation.Tools!.Value[0].GetProperty("function").GetProperty("name").GetString());
    }

    [Theory]
    [InlineData("""{"prompt": "a", "completion": "b"}""", "user:a assistant:b", "")]
    [InlineData("""{"prompt": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}], "completion": [{"role": "assistant", "content": "d"}]}""",
        "user:a assistant:b user:c assistant:d", "1")]
    [InlineData("""{"system": "s", "conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}], "tools": ""}""",
        "system:s user:a assistant:b", "")]
    [InlineData("""{"conversations": [{"from": "human", "value": "a"}, {"from": "function_call", "value": "{\"name\": \"f\", \"arguments\": {}}"}, {"from": "observation", "value": "r"}, {"from": "gpt", "value": "b"}], "tools": "[{\"name\": \"f\"}]"}""",
        "user:a assistant:f tool:r assistant:b", "")]
    [InlineData("""{"conversations": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}""",
        "user:a assistant:b", "")]
    public void Other_shapes_are_read(string json, string turns, string notLearned)
    {
        var conversation = Conversation.Parse(json);
        Assert.Equal(turns,
            string.Join(' ', conversation.Turns.Select(t => $"{t.Role}:{t.Content}{string.Concat(t.ToolCalls.Select(c => c.Name))}")));
        Assert.Equal(notLearned, string.Join(' ', conversation.NotLearned));
        Assert.Equal(json.Contains("\"[{", StringComparison.Ordinal), conversation.Tools is not null);
    }

    [Theory]
    [InlineData("{", "not valid JSON")]
    [InlineData("[]", "a JSON object is expected")]
    [InlineData("""{"text": "a"}""", "neither 'messages'")]
    [InlineData("""{"messages": []}""", "'messages' should be a list")]
    [InlineData("""{"messages": [1]}""", "message 1 is not an object")]
    [InlineData("""{"messages": [{"content": "a"}]}""", "message 1 has no 'role'")]
    [InlineData("""{"messages": [{"role": "function", "content": "a"}]}""", "role 'function'")]
    [InlineData("""{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}""", "a part that is no text")]
    [InlineData("""{"messages": [{"role": "user", "content": 1}]}""", "should be a text or a list")]
    [InlineData("""{"messages": [{"role": "assistant", "content": "a", "weight": 0.5}]}""", "'weight' of message 1")]
    [InlineData("""{"messages": [{"role": "assistant", "function_call": {}}]}""", "old form")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "functions": []}""", "old form")]
    [InlineData("""{"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}]}""", "'arguments'")]
    [InlineData("""{"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]}""", "has no 'name'")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "tools": {}}""", "'tools' should be a list")]
    [InlineData("""{"conversations": [{"from": "narrator", "value": "a"}]}""", "from 'narrator'")]
    [InlineData("""{"messages": [{"role": "user", "role": "user"}]}""", "not valid JSON")]
    public void What_cannot_be_read_is_an_error_that_names_file_and_line(string json, string words)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("chat.jsonl"), """{"prompt": "a", "completion": "b"}""" + "\n\n" + json + "\n");
        var error = Assert.Throws<ConversationFileException>(() => Conversation.ReadFile(folder.At("chat.jsonl")).Count());
        Assert.Contains("chat.jsonl, line 3: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
        Assert.Equal(3, error.Line);
    }
}
