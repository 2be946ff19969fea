using Kotonoha.Agents.Prompts;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tests.Prompts;

public class ChatPromptTests
{
    [Fact]
    public void Roles_entities_cdata_and_text_parts_are_read()
    {
        var messages = ChatPrompt.Parse("""
            <message role="system">Speak &lt;plainly&gt; &amp; <b>briefly</b> at AT&T.</message>
            <MESSAGE role='User'> Is 1 &#60; 2 </MESSAGE>
            <message role="assistant"><![CDATA[a < b && c]]></message>
            <message role="user"><text>one</text> <text>two</text></message>
            """);
        Assert.Equal(["system", "user", "assistant", "user"], messages.Select(m => m.Role.Value));
        Assert.Equal("Speak <plainly> & <b>briefly</b> at AT&T.", messages[0].Text);
        Assert.Equal(" Is 1 < 2 ", messages[1].Text);
        Assert.Equal("a < b && c", messages[2].Text);
        Assert.Equal(["one", "two"], messages[3].Contents.Cast<TextContent>().Select(c => c.Text));
    }

    [Fact]
    public void Plain_text_is_one_user_message()
    {
        var message = Assert.Single(ChatPrompt.Parse("1 < 2 &amp; so"));
        Assert.Equal((ChatRole.User, "1 < 2 &amp; so"), (message.Role, message.Text));
    }

    [Theory]
    [InlineData("<message role=\"user\">hi", 1, 1, "not closed")]
    [InlineData("<message role=\"user\">a\n<message role=\"user\">b</message></message>", 2, 1, "opens inside a message")]
    [InlineData("hello <message role=\"user\">hi</message>", 1, 1, "outside of the messages")]
    [InlineData("<message role=\"user\">hi</message>\n bye", 2, 2, "outside of the messages")]
    [InlineData("<message role=\"robot\">hi</message>", 1, 16, "role 'robot' is not known")]
    [InlineData("<message>hi</message>", 1, 1, "has no role")]
    [InlineData("<message role=user>hi</message>", 1, 10, "malformed")]
    [InlineData("<message role=\"user\" name=\"x\">hi</message>", 1, 22, "'name' is not known")]
    [InlineData("<message role=\"user\">hi</message></message>", 1, 34, "closes no message")]
    [InlineData("<message role=\"user\"><image>x</image></message>", 1, 22, "not carried")]
    [InlineData("<message role=\"user\"><text>x</message>", 1, 22, "<text> that opens here is not closed")]
    [InlineData("<message role=\"user\"><![CDATA[x</message>", 1, 22, "CDATA")]
    public void A_malformed_chat_is_refused_with_its_place(string prompt, int line, int column, string part)
    {
        var error = Assert.Throws<ChatPromptException>(() => ChatPrompt.Parse(prompt));
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
        Assert.Equal((line, column), (error.Line, error.Column));
    }
}
