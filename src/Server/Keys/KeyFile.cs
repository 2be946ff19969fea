using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Kotonoha.Foundation;
using Kotonoha.Foundation.IO;

namespace Kotonoha.Server.Keys;

/// <summary>The keys of a server: a file under its home that a running server reads again when it has changed.</summary>
/// <remarks>Thread-safe. A key is <c>kn_ID_SECRET</c> with 32 random bytes, of which only the hash is kept.</remarks>
public sealed class KeyFile
{
    private const string Prefix = "kn";
    private const int IdBytes = 6, SecretBytes = 32;

    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web) { WriteIndented = true };
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly string _path;
    private (DateTime Written, long Length) _version;
    private long _looked;
    private Dictionary<string, ApiKey> _keys = new(StringComparer.Ordinal);

    /// <summary>Opens the file of a home; it need not exist.</summary>
    /// <param name="home">The server's home.</param>
    /// <exception cref="KotonohaException">The file cannot be read.</exception>
    public KeyFile(string home)
    {
        ArgumentException.ThrowIfNullOrEmpty(home);
        _path = Path.Combine(home, "keys.json");
        Refresh(atOnce: true);
    }

    /// <summary>The keys.</summary>
    public IReadOnlyList<ApiKey> Keys
    {
        get
        {
            Refresh(atOnce: false);
            lock (_lock)
                return [.. _keys.Values];
        }
    }

    /// <summary>Whether callers need a key: once one has been made, and also after the last one has been removed.</summary>
    public bool IsRequired
    {
        get
        {
            Refresh(atOnce: false);
            lock (_lock)
                return _version != default;
        }
    }

    /// <summary>Makes a key.</summary>
    /// <param name="draft">What it lets its holder do; its id, hash and time are filled in.</param>
    /// <returns>The key, which is shown this once, and what is kept of it.</returns>
    public (string Secret, ApiKey Key) Add(ApiKey draft)
    {
        ArgumentNullException.ThrowIfNull(draft);
        var id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(IdBytes));
        var secret = $"{Prefix}_{id}_{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(SecretBytes))}";
        var key = draft with { Id = id, Hash = HashOf(secret), Created = DateTimeOffset.UtcNow };
        Change(keys => keys[id] = key);
        return (secret, key);
    }

    /// <summary>Removes a key.</summary>
    /// <param name="idOrName">Its id, or its name.</param>
    /// <returns>The keys that were removed.</returns>
    public IReadOnlyList<ApiKey> Remove(string idOrName)
    {
        var removed = Keys.Where(key => key.Id == idOrName || key.Name == idOrName).ToList();
        if (removed.Count > 0)
            Change(keys => removed.ForEach(key => keys.Remove(key.Id)));
        return removed;
    }

    /// <summary>The key that a secret is, or null.</summary>
    /// <param name="secret">What the caller sent.</param>
    public ApiKey? Find(string secret)
    {
        ArgumentNullException.ThrowIfNull(secret);
        Refresh(atOnce: false);
        var parts = secret.Split('_');
        ApiKey? key = null;
        if (parts is [Prefix, var id, _])
            lock (_lock)
                key = _keys.GetValueOrDefault(id);

        // A stranger's key is hashed and compared too, so that time says nothing about ids.
        bool fits = CryptographicOperations.FixedTimeEquals(
            Encoding.ASCII.GetBytes(HashOf(secret)), Encoding.ASCII.GetBytes(key?.Hash ?? HashOf("")));
        return fits && key is not null && !(key.Expires <= DateTimeOffset.UtcNow) ? key : null;
    }

    private static string HashOf(string secret) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));

    private void Change(Action<Dictionary<string, ApiKey>> change)
    {
        lock (_lock)
        {
            Refresh(atOnce: true);
            change(_keys);
            Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
            AtomicFile.WriteText(_path, JsonSerializer.Serialize(_keys.Values.OrderBy(key => key.Created), Format) + "\n");
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(_path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            _version = VersionOf();
        }
    }

    private (DateTime, long) VersionOf()
    {
        var file = new FileInfo(_path);
        return file.Exists ? (file.LastWriteTimeUtc, file.Length) : default;
    }

    private void Refresh(bool atOnce)
    {
        lock (_lock)
        {
            if (!atOnce && Environment.TickCount64 - _looked < Interval.TotalMilliseconds)
                return;
            _looked = Environment.TickCount64;
            var version = VersionOf();
            if (version == _version)
                return;
            try
            {
                var keys = version == default ? [] : JsonSerializer.Deserialize<ApiKey[]>(File.ReadAllBytes(_path), Format) ?? [];
                _keys = keys.ToDictionary(key => key.Id, StringComparer.Ordinal);
                _version = version;
            }
            catch (Exception exception) when (exception is JsonException or ArgumentException)
            {
                // Keys that were good stay good while somebody repairs the file.
                if (atOnce)
                    throw new KotonohaException(
                        $"{_path} cannot be read as keys: {exception.Message} Restore it, or delete it and make new keys.");
            }
        }
    }
}
