using Kotonoha.LocalModel.Generation;

namespace Kotonoha.LocalModel.Tests.Generation;

public sealed class OutputTextTests
{
    [Fact]
    public void Stop_strings_are_found_however_the_text_is_cut()
    {
        var random = new Random(1);
        string[] stops = ["abab", "bb", "aaab", "\r\n"];
        for (int round = 0; round < 2000; round++)
        {
            var text = string.Concat(Enumerable.Range(0, 30).Select(_ => "aab\r\n"[random.Next(5)]));
            var output = new OutputText(stops, 4);

            // Character by character the stop string that is complete first ends the text.
            int expected = text.Length;
            for (int end = 1; end <= text.Length && expected == text.Length; end++)
                foreach (var stop in stops)
                    if (text.AsSpan(0, end).EndsWith(stop))
                        expected = Math.Min(expected, end - stop.Length);

            var shown = "";
            bool stopped = false;
            for (int at = 0; at < text.Length && !stopped;)
            {
                int count = Math.Min(random.Next(1, 6), text.Length - at);
                stopped = output.Append(text.AsSpan(at, count));
                at += count;
                Assert.True(output.Released <= expected, "text of a stop string was shown");
                shown += output.Slice(shown.Length, output.Released);
            }

            output.Complete();
            shown += output.Slice(shown.Length, output.Released);
            Assert.Equal(text[..expected], shown);
            Assert.Equal(expected < text.Length || stops.Any(s => text.EndsWith(s, StringComparison.Ordinal)), stopped);
        }
    }

    [Fact]
    public void Nothing_is_held_back_that_cannot_become_a_stop_string()
    {
        var output = new OutputText(["\n\nUser:"], 16);
        output.Append("Hello.\n");
        Assert.Equal("Hello.", output.Slice(0, output.Released));
        output.Append("\nUse it.");
        Assert.Equal("Hello.\n\nUse it.", output.Slice(0, output.Released));
    }
}
