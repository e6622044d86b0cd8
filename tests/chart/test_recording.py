"""record.py, in small: what it writes is what simulate.py plays."""
import record
from simulate import Recording


def test_a_recording_of_real_nodes_has_who_comes_who_is_cut_off_and_who_comes_back(monkeypatch, tmp_path):
    def shape(scene, _):
        for user in scene.users:
            scene.at(-record.SPREAD_S, user.come)
        scene.at(2, scene.lose_the_network)
        scene.at(4, scene.find_the_network)

    (tmp_path / "shapes").mkdir()
    monkeypatch.setattr(record, "HERE", tmp_path)
    monkeypatch.setattr(record, "USERS", 30)
    monkeypatch.setattr(record, "SPREAD_S", 4)  # and some scrapes, before it begins
    monkeypatch.setitem(record.SHAPES, "short", (shape, 8))
    record.record("short", tmp_path)
    clients = [count for _, count in Recording("short", tmp_path / "shapes/short.json").points]
    assert clients[0] == 30 and min(clients) == 0 and clients[-1] == 30
