using Kotonoha.Agents.Prompts;
using Kotonoha.Agents.Reasoning;
using Kotonoha.Agents.Tests.Reasoning;
using Kotonoha.Agents.Tools;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tests;

/// <summary>Whatever is read from models, users and authors ends in a value or in a typed error, never in another one.</summary>
public class FuzzTests
{
    private const int Rounds = 4000;

    private static string Write(Random random, string[] pieces, int most)
        => string.Concat(Enumerable.Range(0, random.Next(most)).Select(_ => pieces[random.Next(pieces.Length)]));

    [Fact]
    public void A_prompt_parses_or_says_where_it_does_not()
    {
        string[] pieces =
            ["{{", "}}", "a", " ", "\n", "=", "<message role=\"user\">", "</message>", "<message", ">", "<![CDATA[", "]]>", "<text>",
                "</text>", "&lt;", "&", "😀", "\uD800"];
        var random = new Random(3);
        int parsed = 0;
        for (int i = 0; i < Rounds; i++)
        {
            var text = Write(random, pieces, 14);
            try
            {
                ChatPrompt.Parse(text);
                parsed++;
            }
            catch (ChatPromptException e)
            {
                Assert.InRange(e.Line, 1, text.Count(c => c == '\n') + 1);
                Assert.InRange(e.Column, 1, text.Length + 1);
            }
        }

        Assert.InRange(parsed, Rounds / 20, Rounds * 19 / 20);
    }

    [Fact]
    public void An_expression_has_a_value_or_a_typed_error()
    {
        string[] pieces =
            ["1", "2.5", "0", "9", "+", "-", "*", "/", "%", "^", "(", ")", ",", "sqrt", "max", "ln", "pi", "e", "round", "log", " ", ".",
                "1e9", "$", "x", "９", "×"];
        var random = new Random(5);
        int valued = 0;
        for (int i = 0; i < 10 * Rounds; i++)
        {
            var text = Write(random, pieces, 9);
            try
            {
                Calculator.Evaluate(text);
                valued++;
            }
            catch (CalculatorException e)
            {
                Assert.InRange(e.Position, 1, text.Length + 1);
            }
        }

        Assert.True(valued > Rounds / 10);
    }

    [Fact]
    public async Task Whatever_a_model_writes_a_run_ends_with_a_reason()
    {
        string[] pieces =
            ["{\"thought\": \"t\", ", "\"action\": ", "\"input\": ", "\"answer\"", "\"search\"", "\"serach\"", "\"finish\"", "\"add\"", "{",
                "}", "}",
                "{\"q\": ", "{\"action\": \"search\", \"input\": \"x\"}", "{\"answer\": 1}", "{\"action\": \"add\", \"input\": {\"a\": 1, ",
                "\"x\"", "[", "]", ", ", ":", "```json\n", "```", "1", "null", "\\", "\\ud83d", "\uDC00", "Answer: ", "答え：", "\n"];
        var search = AIFunctionFactory.Create((string q) => q, "search");
        var add = AIFunctionFactory.Create((int a, int b) => a + b, "add");
        var random = new Random(6);
        var reasons = new HashSet<StopReason>();
        for (int i = 0; i < Rounds; i++)
        {
            var replies = Enumerable.Range(0, 12).Select(_ => Write(random, pieces, 16)).ToArray();
            var result =
                await new ReActAgent(new ScriptedChatClient(replies), [search, add], new ReActOptions { MaxSteps = 4 }).SolveAsync("q");
            reasons.Add(result.StopReason);
            Assert.Equal(result.StopReason == StopReason.Answered, result.Answer is not null);
            var thought = await new ChainOfThoughtAgent(new ScriptedChatClient(replies)).SolveAsync("q");
            Assert.Equal(thought.StopReason == StopReason.Answered, thought.Answer is not null);
        }

        Assert.Superset(new HashSet<StopReason> { StopReason.Answered, StopReason.StepLimit, StopReason.InvalidReplies }, reasons);
    }
}
