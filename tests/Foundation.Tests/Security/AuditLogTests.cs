using System.Text;
using System.Text.Json;
using Kotonoha.Foundation.Security;

namespace Kotonoha.Foundation.Tests.Security;

public sealed class AuditLogTests : IDisposable
{
    private static readonly byte[] Key = "a key of the auditor"u8.ToArray();

    private readonly string _path = Path.Combine(Path.GetTempPath(), $"audit-{Guid.NewGuid():N}.jsonl");

    public void Dispose() => File.Delete(_path);

    private AuditHead Write(int entries, byte[]? key = null)
    {
        using var log = AuditLog.Open(_path, key);
        for (int i = 0; i < entries; i++)
            log.Append("tool_call", ("tool", "delete"), ("path", $"ファイル {i}\n\"x\""), ("reason", null));
        return log.Head;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Entries_are_json_lines_in_one_chain_across_openings(bool hasKey)
    {
        var key = hasKey ? Key : null;
        Write(3, key);
        var head = Write(2, key);
        Assert.Equal(5, head.Number);
        Assert.Equal(new AuditVerification(true, head, null, null), AuditLog.Verify(_path, key, head));
        var lines = File.ReadAllLines(_path).Select(line => JsonElement.Parse(line)).ToList();
        Assert.Equal(5, lines.Count);
        Assert.Equal("ファイル 1\n\"x\"", lines[1].GetProperty("data").GetProperty("path").GetString());
        Assert.Equal(lines[0].GetProperty("hash").GetString(), lines[1].GetProperty("previous").GetString());
        // The hash can be computed with other tools: SHA-256 of the line up to the comma before its hash.
        if (!hasKey)
        {
            var first = File.ReadAllLines(_path)[0];
            var body = first[..first.LastIndexOf(",\"hash\"", StringComparison.Ordinal)];
            Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(body))),
                lines[0].GetProperty("hash").GetString());
        }
    }

    [Fact]
    public void Every_change_of_a_byte_is_found()
    {
        Write(3);
        var whole = File.ReadAllBytes(_path);
        var random = new Random(11);
        for (int i = 0; i < 300; i++)
        {
            var changed = whole.ToArray();
            changed[random.Next(changed.Length)] ^= (byte)(1 << random.Next(7));
            File.WriteAllBytes(_path, changed);
            Assert.False(AuditLog.Verify(_path).IsIntact);
        }
    }

    [Fact]
    public void A_line_that_is_removed_moved_or_made_up_is_found_and_says_where()
    {
        var head = Write(4);
        var lines = File.ReadAllLines(_path);
        Assert.Equal(2, Broken(lines[0], lines[2], lines[3]));
        Assert.Equal(2, Broken(lines[0], lines[2], lines[1], lines[3]));
        Assert.Equal(1, Broken(lines[1..]));
        Assert.Equal(5, Broken([.. lines, lines[3]]));
        Assert.Equal(3, Broken(lines[0], lines[1], "{}", lines[2]));
        // That the end is missing shows against the head only.
        Assert.Null(Broken(lines[..3]));
        Assert.False(AuditLog.Verify(_path, expected: head).IsIntact);
        Assert.Throws<AuditLogException>(() =>
        {
            Broken(lines[1..]);
            AuditLog.Open(_path);
        });

        long? Broken(params string[] kept)
        {
            File.WriteAllText(_path, string.Concat(kept.Select(line => line + "\n")));
            return AuditLog.Verify(_path).BrokenLine;
        }
    }

    [Fact]
    public void A_new_chain_without_the_key_is_found()
    {
        Write(2);
        Assert.Equal(1, AuditLog.Verify(_path, Key).BrokenLine);
    }

    [Fact]
    public void A_line_that_a_crash_left_unfinished_is_cut_off_with_an_entry()
    {
        Write(2);
        var whole = new FileInfo(_path).Length;
        File.AppendAllText(_path, "{\"n\":3,\"time\":\"20");
        Assert.Equal("The last line is unfinished.", AuditLog.Verify(_path).Problem);
        Write(1);
        Assert.True(AuditLog.Verify(_path).IsIntact);
        var third = JsonElement.Parse(File.ReadAllLines(_path)[2]);
        Assert.Equal(("recovered", "17"),
            (third.GetProperty("event").GetString(), third.GetProperty("data").GetProperty("cut_off_bytes").GetString()));
        Assert.True(whole > 0);
    }

    [Fact]
    public void Threads_append_to_one_chain_and_a_second_writer_is_refused()
    {
        using (var log = AuditLog.Open(_path))
        {
            Parallel.For(0, 40, i => log.Append("e", ("i", $"{i}")));
            Assert.Throws<IOException>(() => AuditLog.Open(_path));
            Assert.Equal(40, AuditLog.Verify(_path).Head.Number);
        }

        Assert.Equal(40,
            File.ReadAllLines(_path).Select(line => JsonElement.Parse(line).GetProperty("data").GetProperty("i").GetString()).Distinct()
                .Count());
    }
}
